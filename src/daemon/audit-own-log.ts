/**
 * Whether the remote can still send what it took. Tidying without grace beside a push may take objects away after the
 * remote said that they arrived; git then lets the next push stand on the hole, and readers get nothing any more. The
 * owner cannot see that by fetching, since it has everything itself, so it asks from an empty repository.
 */
import { join } from "node:path";
import type { RemoteFailure, RemoteOptions } from "../base/ports/git-remote.ts";
import { ok, type Result } from "../base/result.ts";
import { isAboutRefs } from "../fleet/messaging/fetch-moved.ts";
import { type Identity, readSetting, writeSetting } from "../fleet/messaging/identity.ts";
import type { SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import { noteBrokenLog } from "../fleet/messaging/mend-own-refs.ts";
import { holdOf } from "../fleet/messaging/own-alarms.ts";
import { type ConfirmedBatch, confirmedBatch } from "../fleet/messaging/take-back.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import { removeTree } from "../platform/files.ts";
import { systemGitEnvironment } from "../platform/git/git-environment.ts";
import { openGitRemote } from "../platform/git/git-remote.ts";
import { createGitStore } from "../platform/git/local-git-store.ts";
import type { DaemonState } from "./daemon-state.ts";
import type { Report } from "./events.ts";
import type { RemoteGate } from "./remote-gate.ts";

/** What the audit works with. `folder`: of this server, on this machine. */
export interface AuditContext {
  readonly ports: Pick<SendPorts, "state" | "identity">;
  readonly folder: string;
  readonly gate: Pick<RemoteGate, "run">;
  readonly daemon: Pick<DaemonState, "wantCard">;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** The batch up to which the remote was last seen to send the log. */
const AUDITED = "audited_batch";
/** So many batches are asked for at most, so that the first audit of a long log costs no more than others. Chosen. */
const DEPTH_MAX = 1_000;

/** One audit, once a heartbeat and only where the log has grown. Answers how long to wait for the next, ms. */
export async function auditRound(context: AuditContext): Promise<number> {
  const { ports, gate, settings, daemon, report, signal } = context;
  const { state, identity } = ports;
  const waitMs = settings().heartbeat.every;
  const confirmed = confirmedBatch(state);
  const audited = readSetting(state, AUDITED);
  if (confirmed === null || holdOf(state) !== null || audited === nameOf(confirmed)) return waitMs;
  const since = confirmed.number - Number(audited?.split(" ")[0] ?? "0");
  // One more, since the new batches stand on what was audited.
  const depth = Math.min(DEPTH_MAX, Math.max(1, since) + 1);
  const asked = await gate.run("fetch", (options) => ask(context, depth, options), {
    work: signal,
    stop: signal,
  });
  if (asked.status === "waiting" || asked.value === "unknown") return waitMs;
  if (asked.value === "whole") {
    state.relaxedTransaction(() => writeSetting(state, AUDITED, nameOf(confirmed)));
    return waitMs;
  }
  const { tip } = confirmed;
  state.relaxedTransaction(() => noteBrokenLog(state, tip));
  const ref = `${identity.namespace}log/${identity.server}`;
  report({ kind: "notice", text: `the remote has lost objects of ${ref}; it is pushed again as new` });
  daemon.wantCard(0);
  return waitMs;
}

const nameOf = ({ number, tip }: ConfirmedBatch): string => `${number} ${tip}`;

/** `unknown`: the remote sends nothing of anybody, or it is another failure than that of a ref. */
type Answer = "whole" | "broken" | "unknown";

async function ask(
  { folder, ports }: AuditContext,
  depth: number,
  options: RemoteOptions,
): Promise<Result<Answer, RemoteFailure>> {
  const { namespace, server } = ports.identity;
  const place = join(folder, `.audit-${process.pid}`);
  const log = `+${namespace}log/${server}:refs/audit/log`;
  try {
    const first = await fetchAlone(place, ports.identity, [[log], { ...options, depth }]);
    if (first.ok) return ok("whole");
    if (!isAboutRefs(first.error)) return first;
    // What is there can be had, and the log still cannot: then it is the log.
    const other = await fetchAlone(place, ports.identity, [[`+${namespace}meta:refs/audit/meta`], options]);
    if (!other.ok) return ok("unknown");
    const again = await fetchAlone(place, ports.identity, [[log], { ...options, depth }]);
    return ok(again.ok ? "whole" : isAboutRefs(again.error) ? "broken" : "unknown");
  } finally {
    removeTree(place);
  }
}

async function fetchAlone(
  place: string,
  { format, remoteUrl }: Identity,
  call: Parameters<ReturnType<typeof openGitRemote>["fetch"]>,
): Promise<Result<unknown, RemoteFailure>> {
  removeTree(place);
  await createGitStore(place, format).close();
  const remote = openGitRemote({ url: remoteUrl, storeFolder: place, environment: systemGitEnvironment() });
  return await remote.fetch(...call);
}
