import { firstLineOf } from "../../base/errors.ts";
import { OTHER_KEY } from "../../fleet/messaging/hold-back.ts";
import { describeQuarantine, listAlarms } from "../../fleet/messaging/index-troubles.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { listQueue, type QueueItem } from "../../fleet/messaging/queue.ts";
import { trustEntryOf } from "../../fleet/messaging/trust-view.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { checkCompaction } from "./check-compaction.ts";
import { type Diagnosis, healthy, trouble } from "./diagnosis.ts";

/** What was sent and refused, what came and was not taken, and what looks like somebody tampering. Never subjects. */
export function checkMail(mailbox: Mailbox, settings: ServerSettings): Diagnosis[] {
  return [
    ...checkRefused(mailbox, settings),
    ...checkAlarms(mailbox),
    ...checkQuarantine(mailbox),
    checkCompaction(mailbox),
  ];
}

function checkRefused({ state }: Mailbox, settings: ServerSettings): Diagnosis[] {
  const queue = listQueue(state, settings);
  const given = queue.filter((item) => item.state === "dead" || item.state === "expired");
  const resting = checkResting(queue);
  if (given.length + resting.length === 0) return [healthy("refused", "no message was given up or refused")];
  const found = given.map((item) => {
    const to = item.to.length === 0 ? "" : ` to ${item.to.join(", ")}`;
    const why = item.reason === "" ? "" : `: ${firstLineOf(item.reason)}`;
    const became = item.state === "dead" ? `was refused ${item.refused} times and is dead` : "expired";
    const id = shortId(item.id);
    return trouble("refused", "warn", {
      evidence: `${item.type} ${id}${to} ${became}${why}`,
      fix: `fleetd queue retry ${id}, or fleetd queue drop ${id}`,
    });
  });
  return [...found, ...resting];
}

// What is tried again still needs somebody: the remote says no to a whole queue for one reason, so one finding says it.
function checkResting(queue: readonly QueueItem[]): Diagnosis[] {
  const refused = queue.filter((item) => item.state === "refused");
  const [first] = refused;
  if (first === undefined) return [];
  const what = refused.length === 1 ? "1 entry waits that" : `${refused.length} entries wait that`;
  return [
    trouble("refused", "warn", {
      evidence: `${what} the remote refused: ${firstLineOf(first.reason)}`,
      fix: "Change what the remote objects to; they are tried again by themselves. fleetd queue list names them",
    }),
  ];
}

/** `ID` stands for the server. */
const ALARM_FIXES: Readonly<Record<string, string>> = {
  hidden: "Ask whoever runs the remote: it shows less of this server's log than its card speaks of",
  gap: "Nothing can bring them back; ask its owner what was in them. compaction.live is how long a silent server is waited for",
  returned:
    "If it is who it was, fleetd trust add ID takes it back; else fleetd servers forget ID --purge deletes it again",
  rewritten:
    "Ask its owner; what was accepted before stays here, what was rewritten is not taken. If it has another key now, fleetd trust add ID takes its log as it is",
  "unsendable-log":
    "Look at the remote with git fsck: an object of this server's log is damaged or missing there",
  "unsendable-state": "Look at the remote with git fsck; the server's next card replaces this one",
};

function checkAlarms(mailbox: Mailbox): Diagnosis[] {
  const alarms = listAlarms(mailbox.index());
  if (alarms.length === 0) return [healthy("alarms", "no log was rewritten, no message is hidden")];
  return alarms.map(({ server, kind, detail }) =>
    trouble(`alarm-${kind}`, "warn", { evidence: `${server}: ${detail}`, fix: fixOf(mailbox, server, kind) }),
  );
}

function fixOf({ state }: Mailbox, server: string, kind: string): string {
  if (kind === OTHER_KEY) {
    const { advice } = trustEntryOf({ state, cryptography: systemCryptography }, server);
    return `Ask its owner, by another way than this remote, which key is its own; then ${advice ?? "fleetd trust list"}`;
  }
  return (
    ALARM_FIXES[kind]?.replaceAll("ID", () => server) ??
    `Ask whoever runs ${server}; fleetd servers shows its key`
  );
}

function checkQuarantine(mailbox: Mailbox): Diagnosis[] {
  const refused = describeQuarantine(mailbox.index());
  if (refused.length === 0) return [healthy("quarantine", "nothing that came was refused")];
  return refused.map(({ server, evidence, isUntrusted }) =>
    trouble("quarantine", "warn", {
      evidence: `${server}: ${evidence}`,
      fix: isUntrusted
        ? `Tell whoever runs ${server}, or take it back: fleetd trust add ${server}`
        : `Tell whoever runs ${server}; nothing of it was taken, and others are not affected`,
    }),
  );
}
