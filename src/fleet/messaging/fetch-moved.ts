/**
 * Fetching refs that moved so that one of them cannot silence the others: a remote that lost an object, or that holds
 * one its git chokes on, sends nothing at all as long as that ref is asked for together with the rest.
 */
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { type Alarm, clearAlarm, isRaised, raiseAlarm, serversWithAlarm } from "./index-troubles.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";

/** A ref that is elsewhere than here, and whose it is. */
export interface MovedRef {
  readonly server: string;
  readonly kind: "log" | "state" | "other";
  /** On the remote, and the local one it is fetched to. */
  readonly source: string;
  readonly target: string;
  readonly id: string;
}

/** How often a look asks for parts: enough for ten bad refs among a hundred; chosen, nobody has met two. */
const QUESTIONS_MAX = 100;

const KINDS = ["unsendable-log", "unsendable-state", "unsendable-other"] as const;

const alarmOf = ({ server, kind, source, id }: MovedRef): Alarm => ({
  server,
  kind: `unsendable-${kind}`,
  detail: `the remote cannot send ${source} as it is there, at ${id}`,
});

/** Whether it is what was asked for that failed, and not the way to the remote: then a smaller question may succeed. */
export const isAboutRefs = ({ kind, detail }: RemoteFailure): boolean =>
  kind === "failed" || (kind === "unreachable" && /^remote: (?:fatal|error|aborting)/m.test(detail));

/**
 * Fetches all of `moved`; where that fails, in halves, until those that cannot be had are alone. They become an alarm
 * and are asked for apart from the rest as long as they stay. Fails when nothing at all could be fetched.
 */
export async function fetchMoved(
  ports: ReceivePorts,
  moved: readonly MovedRef[],
  options: RemoteOptions,
): Promise<Result<unknown, RemoteFailure>> {
  const known = moved.filter((one) => isRaised(ports.index, alarmOf(one)));
  const fresh = moved.filter((one) => !known.includes(one));
  const parted = await fetchInParts(ports, fresh, options);
  if (parted.failure !== null && parted.bad.length === 0) return fail(parted.failure);
  const again = known.length === 0 ? ok(null) : await fetchThese(ports, known, options);
  if (!(again.ok || isAboutRefs(again.error))) return again;
  settleAlarms(ports, {
    bad: [...parted.bad, ...(again.ok ? [] : known)],
    good: [...parted.good, ...(again.ok ? known : [])],
  });
  return parted.failure === null ? ok(null) : fail(parted.failure);
}

interface Parted {
  readonly good: readonly MovedRef[];
  /** Those that could not be fetched, each asked for alone. */
  readonly bad: readonly MovedRef[];
  /** Why the rest was not asked for, null when it was. */
  readonly failure: RemoteFailure | null;
}

async function fetchInParts(
  ports: ReceivePorts,
  moved: readonly MovedRef[],
  options: RemoteOptions,
): Promise<Parted> {
  // What is not found in the time of one look is found by those that follow.
  const deadlineMs = ports.clock.monotonicMs() + options.timeoutMs;
  let questions = QUESTIONS_MAX;
  const good: MovedRef[] = [];
  const bad: MovedRef[] = [];
  const groups = moved.length === 0 ? [] : [moved];
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
    questions -= 1;
    const fetched = await fetchThese(ports, group, options);
    if (fetched.ok) {
      good.push(...group);
      continue;
    }
    if (!isAboutRefs(fetched.error)) return { good, bad: [], failure: fetched.error };
    const half = Math.ceil(group.length / 2);
    if (group.length === 1) bad.push(...group);
    else groups.push(group.slice(half), group.slice(0, half));
    // All of several: then it is the remote, and nobody in particular.
    const isEverybody = bad.length > 1 && bad.length === moved.length;
    const isLate = questions <= 0 || ports.clock.monotonicMs() > deadlineMs;
    if (isEverybody || isLate) return { good, bad: isEverybody ? [] : bad, failure: fetched.error };
  }
  return { good, bad, failure: null };
}

const fetchThese = (ports: ReceivePorts, refs: readonly MovedRef[], options: RemoteOptions) =>
  ports.remote.fetch(
    refs.map(({ source, target }) => `+${source}:${target}`),
    options,
  );

function settleAlarms(
  { index, clock }: ReceivePorts,
  { good, bad }: { readonly good: readonly MovedRef[]; readonly bad: readonly MovedRef[] },
): void {
  const alarmed = serversWithAlarm(index, KINDS);
  if (bad.length === 0 && alarmed.size === 0) return;
  index.transaction(() => {
    for (const one of bad) raiseAlarm(index, alarmOf(one), clock.wallMs());
    for (const one of good) if (alarmed.has(one.server)) clearAlarm(index, one.server, alarmOf(one).kind);
  });
}
