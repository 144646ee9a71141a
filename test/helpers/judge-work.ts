/**
 * Judges what a handler did: every message that a rule gives to it is worked on, as often as the rule allows and never
 * more often, and what the journal says of a run is what the handler itself wrote down. Part of `fleet-checker.ts`.
 */

/** What is known of the handler of one server. */
export interface WorkEvidence {
  /** Ids of the messages that its rule gives to it. */
  readonly wanted: readonly string[];
  /** Message ids as the handler wrote them down itself, durably, when it began and when it ended. */
  readonly began: readonly string[];
  readonly ended: readonly string[];
  /** The journal of the server. */
  readonly rows: readonly { readonly id: string; readonly state: string }[];
  /** Message ids of the receipts "handled" in the server's log on the remote. */
  readonly receipts: readonly string[];
  /** How often the handler may be started for a message: 1 where its rule parks what nobody can say the end of. */
  readonly runsMax: number;
}

/** A rule that the handler or its journal broke. */
export interface WorkViolation {
  readonly rule: "not-handled" | "handled-twice" | "invented";
  readonly detail: string;
}

/** Everything that is wrong with the work of `server`. */
export function judgeWork(server: string, work: WorkEvidence): WorkViolation[] {
  const states = new Map(work.rows.map((row) => [row.id, row.state]));
  const wanted = new Set(work.wanted);
  const known = [...new Set([...work.wanted, ...work.began, ...states.keys()])];
  return known.flatMap((id) => {
    const message: Worked = {
      isWanted: wanted.has(id),
      state: states.get(id) ?? "in no journal",
      began: count(work.began, id),
      ended: count(work.ended, id),
      receipts: count(work.receipts, id),
    };
    return faultsOf(message, work.runsMax).map(([rule, what]) => ({
      rule,
      detail: `${server}: ${id} ${what}`,
    }));
  });
}

/** What is known of one message. */
interface Worked {
  readonly isWanted: boolean;
  readonly state: string;
  readonly began: number;
  readonly ended: number;
  readonly receipts: number;
}

type Fault = readonly [rule: WorkViolation["rule"], what: string];

function faultsOf({ isWanted, state, began, ended, receipts }: Worked, runsMax: number): Fault[] {
  const isDone = state === "done";
  const faults: (Fault | false)[] = [
    !isWanted && ["invented", "was worked on and never asked for"],
    isWanted && !isDone && state !== "parked" && ["not-handled", `is ${state}`],
    isDone && ended === 0 && ["not-handled", "is done and never was"],
    isDone && receipts === 0 && ["not-handled", "is done without a receipt"],
    began > runsMax && ["handled-twice", `was begun ${began} times, ${runsMax} at most`],
    receipts > 1 && ["handled-twice", `has ${receipts} receipts`],
  ];
  return faults.filter((fault) => fault !== false);
}

const count = (ids: readonly string[], id: string): number => ids.filter((one) => one === id).length;
