import { firstLineOf } from "../../base/errors.ts";
import type { RemoteOptions } from "../../base/ports/git-remote.ts";
import { shownFingerprint } from "../../fleet/messaging/conflict-ref.ts";
import { TRACKING } from "../../fleet/messaging/mailbox-ports.ts";
import {
  describeOwnAlarm,
  holdOf,
  listOwnAlarms,
  type OwnAlarmKind,
} from "../../fleet/messaging/own-alarms.ts";
import { judgeKnownTip, judgeOwnTip, type OwnPlace } from "../../fleet/messaging/own-place.ts";
import { held, hintOfHold } from "../../fleet/messaging/recover-log.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { type Diagnosis, healthy, mendable, trouble } from "./diagnosis.ts";

/** The own refs: whether they are what this server pushed, who else wrote them, and who else wants its id. */
export async function checkOwnRefs(
  mailbox: Mailbox,
  refs: ReadonlyMap<string, string>,
  ask: RemoteOptions,
): Promise<Diagnosis[]> {
  return [
    await checkOwnRef(mailbox, refs, ask),
    ...checkOwnAlarms(mailbox),
    ...checkConflicts(mailbox, refs, ask),
  ];
}

async function checkOwnRef(
  mailbox: Mailbox,
  refs: ReadonlyMap<string, string>,
  ask: RemoteOptions,
): Promise<Diagnosis> {
  const { identity, state } = mailbox;
  const hold = holdOf(state);
  if (hold !== null && hold.kind !== "other-fleet") {
    return trouble("own-ref", "critical", { evidence: firstLineOf(hold.detail), fix: hintOfHold(hold.kind) });
  }
  const ref = `${identity.namespace}log/${identity.server}`;
  const tip = refs.get(ref);
  if (tip === undefined) {
    const evidence = `${ref} is not on the remote; a monitor pushes it again by itself`;
    return trouble("own-ref", "warn", { evidence, fix: "fleetd monitor" });
  }
  const place = judgeKnownTip(state, tip) ?? (await lookAt(mailbox, { ref, tip }, ask));
  return typeof place === "string"
    ? trouble("own-ref", "unknown", { evidence: `${ref} could not be read: ${place}`, fix: "fleetd doctor" })
    : toDiagnosis(place, { ref, tip, server: identity.server });
}

/** What stands there, or why that cannot be found out. */
async function lookAt(
  mailbox: Mailbox,
  { ref, tip }: { readonly ref: string; readonly tip: string },
  ask: RemoteOptions,
): Promise<OwnPlace | string> {
  const fetched = await mailbox.remote().fetch([`+${ref}:${TRACKING.foundLog}`], ask);
  if (!fetched.ok) return firstLineOf(fetched.error.detail);
  const { identity, state } = mailbox;
  return await judgeOwnTip(
    { identity, state, store: mailbox.store(), cryptography: systemCryptography },
    tip,
  );
}

function toDiagnosis(
  place: OwnPlace,
  { ref, tip, server }: { readonly ref: string; readonly tip: string; readonly server: string },
): Diagnosis {
  switch (place.kind) {
    case "confirmed":
    case "ours":
      return healthy("own-ref", `${ref} is what this server pushed`);
    case "behind": {
      const evidence = `${ref} was taken back to ${tip.slice(0, 12)}; a monitor pushes it again by itself`;
      return trouble("own-ref", "warn", { evidence, fix: "fleetd monitor" });
    }
    case "strangers": {
      const how = place.reachable ? "stands on" : "stands in the place of";
      const evidence = `${tip.slice(0, 12)}, which this server did not sign, ${how} ${ref}; the next batch passes it over`;
      return trouble("own-ref", "warn", {
        evidence,
        fix: "Find out who may push to the remote; nothing is lost",
      });
    }
    default: {
      const { hold, detail } = held({ identity: { server }, cryptography: systemCryptography }, place);
      return trouble("own-ref", "critical", { evidence: detail, fix: hintOfHold(hold) });
    }
  }
}

const FIXES: Readonly<Partial<Record<OwnAlarmKind, string>>> = {
  stranger: "Find out who may push to the remote; nothing is lost",
  card: "Find out who may push to the remote; nothing is lost",
  fight: "Find out who may push to the remote, or which other machine has this id; nothing is lost",
  adopted: "Nothing has to be done; look whether the backup was meant to be restored",
};

function checkOwnAlarms({ state }: Mailbox): Diagnosis[] {
  return listOwnAlarms(state, systemClock.wallMs()).flatMap((alarm) => {
    const fix = FIXES[alarm.kind];
    const evidence = describeOwnAlarm(alarm);
    return fix === undefined ? [] : [trouble(`own-${alarm.kind}`, "warn", { evidence, fix })];
  });
}

function checkConflicts(
  mailbox: Mailbox,
  refs: ReadonlyMap<string, string>,
  ask: RemoteOptions,
): Diagnosis[] {
  const { namespace, server } = mailbox.identity;
  const prefix = `${namespace}conflict/${server}/`;
  return [...refs].flatMap(([ref, commit]) => {
    const fingerprint = ref.slice(prefix.length);
    if (!ref.startsWith(prefix) || !/^[0-9a-f]{64}$/.test(fingerprint)) return [];
    const run = async (): Promise<void> => {
      const update = { ref, id: null, expected: commit };
      const pushed = await mailbox.remote().push([update], { ...ask, atomic: false });
      if (!pushed.ok) throw new Error(`Cannot remove "${ref}": ${firstLineOf(pushed.error.detail)}`);
      if (pushed.value[0]?.status !== "pushed")
        throw new Error(`Cannot remove "${ref}": the remote refused it`);
    };
    const evidence = `another machine tried to use the id "${server}": its key is ${shownFingerprint(fingerprint)}`;
    return [
      mendable("own-conflict", "warn", { evidence, mend: { what: `remove ${ref}`, isSafe: false, run } }),
    ];
  });
}
