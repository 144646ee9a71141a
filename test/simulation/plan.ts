import { Chance } from "./chance.ts";
import type { Character, Fault, Happening, MachinePlan, Plan, Sending } from "./happening.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How a run is asked for. `focus`: what there is more of than usual. */
export interface PlanOptions {
  readonly servers: number;
  readonly hours: number;
  /** Whether servers come back from old backups where strangers meddle with refs as well. */
  readonly doubleFaults: boolean;
  readonly focus: "power" | "crashes" | "pushes" | "talk" | null;
}

/** Everything that a seed decides up front. */
export function makePlan(seed: number, { servers, hours, focus, doubleFaults }: PlanOptions): Plan {
  const chance = new Chance(seed, "plan");
  const durationMs = hours * HOUR_MS;
  const machines = makeMachines(new Chance(seed, "machines"), servers, durationMs);
  const names = machines.map(({ server }) => server);
  const kinds = focus === null ? chooseKinds(new Chance(seed, "kinds"), doubleFaults) : FOCUS[focus];
  const faults = makeFaults(new Chance(seed, "faults"), { names, durationMs, kinds, focus });
  const asked = makeWork(new Chance(seed, "work"), {
    machines,
    durationMs,
    works: focus === "power" ? 0.9 : 0.25,
  });
  const happenings = [...faults, ...asked]
    .toSorted((left, right) => left.atMs - right.atMs)
    .map((one, id): Happening => ({ ...one, id }));
  return {
    seed,
    durationMs,
    isFolder: chance.isTrue(0.3),
    intervalMs: chance.pick([10, 10, 20, 30, 60]) * SECOND_MS,
    heartbeatMs: chance.pick([5, 10, 20]) * MINUTE_MS,
    // Looks that come together see what came together; every fifth fleet looks as often as fleetd does by itself.
    talkMs: chance.pick([1, 10, 20, 20, 30]) * SECOND_MS,
    watchMs: chance.pick([2, SECOND_MS, 5 * SECOND_MS, 10 * SECOND_MS, 20 * SECOND_MS]),
    onCrash: focus === "power" ? "park" : chance.pick(["park", "retry"] as const),
    handlerMs: { least: focus === "power" ? 10 * SECOND_MS : 10, most: 29 * SECOND_MS },
    clocksHeal: chance.isTrue(0.5),
    machines,
    happenings,
  };
}

function makeMachines(chance: Chance, count: number, durationMs: number): MachinePlan[] {
  const hasLiars = chance.isTrue(0.25);
  return Array.from({ length: count }, (_, number): MachinePlan => {
    const isLate = number > 1 && chance.isTrue(0.2);
    return {
      server: `s${number + 1}`,
      character: number < 2 ? "honest" : characterOf(chance, hasLiars),
      joinsAtMs: isLate ? chance.integer(MINUTE_MS, durationMs / 2) : number * 200,
      offsetMs: offsetOf(chance),
    };
  });
}

function characterOf(chance: Chance, hasLiars: boolean): Character {
  if (!hasLiars || !chance.isTrue(0.3)) return "honest";
  return chance.pick(["liar", "careless"] as const);
}

/** Most clocks are right within seconds, some are off by minutes, some by years. */
function offsetOf(chance: Chance): number {
  const kind = chance.fraction();
  if (kind < 0.6) return chance.integer(-2 * SECOND_MS, 2 * SECOND_MS);
  if (kind < 0.85) return chance.integer(-20 * MINUTE_MS, 20 * MINUTE_MS);
  return chance.integer(-400, 400) * DAY_MS;
}

type Unplaced<T> = T extends unknown ? Omit<T, "id"> : never;
type Placed = Unplaced<Happening>;
type FaultKind = Fault["kind"];

/** Share of each kind of fault where all are on. */
const WEIGHTS: readonly (readonly [FaultKind, number])[] = [
  ["shut", 5],
  ["slow", 3],
  ["limited", 1],
  ["pushes", 6],
  ["locked", 2],
  ["crash", 8],
  ["clock", 3],
  ["pause", 2],
  ["disk-full", 1],
  ["refs-deleted", 2],
  ["rewound", 2],
  ["junk", 2],
  ["odd-refs", 1],
  ["rewritten", 1],
  ["backup", 1],
];

/** What somebody does who has access to the remote. */
const MEDDLING: readonly FaultKind[] = ["refs-deleted", "rewound", "junk", "rewritten"];

/** Every run leaves some kinds out: what always happens together hides what each does alone. */
function chooseKinds(chance: Chance, hasDoubleFaults: boolean): FaultKind[] {
  const chosen = WEIGHTS.filter(() => chance.isTrue(0.7));
  const kinds = chosen.length === 0 ? WEIGHTS : chosen;
  // What a server forgot with its disk only the remote can tell it: both at once is asked for by itself.
  const left = chance.isTrue(0.25) ? MEDDLING : (["backup"] as const);
  return kinds
    .filter(([kind]) => hasDoubleFaults || !(left as readonly FaultKind[]).includes(kind))
    .flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));
}

const FOCUS: Readonly<Record<NonNullable<PlanOptions["focus"]>, readonly FaultKind[]>> = {
  power: ["crash"],
  crashes: ["crash"],
  pushes: ["pushes"],
  talk: ["slow"],
};
/** So many faults each machine has in an hour where there is more of them than usual. */
const FOCUSED_AN_HOUR = 12;

function makeFaults(
  chance: Chance,
  on: {
    readonly names: readonly string[];
    readonly durationMs: number;
    readonly kinds: readonly FaultKind[];
    readonly focus: PlanOptions["focus"];
  },
): Placed[] {
  const anHour = on.focus === null ? 0.3 + 2.2 * chance.fraction() : FOCUSED_AN_HOUR;
  const count = Math.round((on.durationMs / HOUR_MS) * on.names.length * anHour);
  return Array.from({ length: count }, () => {
    const atMs = chance.integer(0, on.durationMs);
    const fault = makeFault(chance, chance.pick(on.kinds), chance.pick(on.names));
    const isPower = on.focus === "power" || (on.focus === null && chance.isTrue(0.5));
    return { atMs, ...(fault.kind === "crash" ? { ...fault, power: isPower } : fault) };
  });
}

function makeFault(chance: Chance, kind: FaultKind, server: string): Fault {
  const everywhere = chance.isTrue(0.2) ? "*" : server;
  switch (kind) {
    case "shut": {
      const how = chance.pick(["refused", "silent"] as const);
      return { kind, server: everywhere, how, forMs: chance.magnitude(2 * SECOND_MS, 40 * MINUTE_MS) };
    }
    case "slow":
      return {
        kind,
        server: everywhere,
        factor: chance.magnitude(3, 2_000),
        forMs: chance.magnitude(10_000, 15 * MINUTE_MS),
      };
    case "limited":
      return { kind, server: everywhere, forMs: chance.magnitude(10_000, 5 * MINUTE_MS) };
    case "pushes": {
      const trouble = chance.pick(["cut", "mute", "late"] as const);
      return {
        kind,
        server,
        trouble,
        count: chance.integer(1, 4),
        lateMs: chance.magnitude(1_000, 10 * MINUTE_MS),
      };
    }
    case "locked":
      return { kind, server, forMs: chance.magnitude(50, 2 * MINUTE_MS), isLeft: chance.isTrue(0.2) };
    case "crash":
      return {
        kind,
        server,
        power: false,
        afterCalls: chance.magnitude(1, 400),
        downMs: chance.magnitude(100, 10 * MINUTE_MS),
        losesIndex: chance.isTrue(0.15),
      };
    case "clock":
      return {
        kind,
        server,
        byMs: chance.isTrue(0.5) ? chance.integer(-400, 400) * DAY_MS : chance.integer(-HOUR_MS, HOUR_MS),
      };
    case "pause":
      return { kind, server, forMs: chance.magnitude(100, 20 * MINUTE_MS) };
    case "disk-full":
      return { kind, server, forMs: chance.magnitude(100, 5 * MINUTE_MS) };
    case "refs-deleted":
      return { kind, server, which: chance.pick(["log", "state", "both", "all"] as const) };
    case "rewound":
      return { kind, server, which: chance.pick(["log", "state"] as const), steps: chance.magnitude(1, 20) };
    case "junk":
      return {
        kind,
        server,
        which: chance.pick(["log", "log", "state"] as const),
        forMs: chance.magnitude(1_000, 10 * MINUTE_MS),
      };
    case "backup":
      return { kind, server, forMs: chance.magnitude(MINUTE_MS, 40 * MINUTE_MS) };
    case "rewritten":
      return {
        kind,
        server,
        which: chance.pick(["log", "log", "state"] as const),
        isRoot: chance.isTrue(0.5),
      };
    case "odd-refs":
      return { kind, server, name: chance.pick(["ghost", "GHOST", "con"]) };
  }
}

/** Messages come in bursts of one or several senders, as in a fleet that works. */
function makeWork(
  chance: Chance,
  on: { readonly machines: readonly MachinePlan[]; readonly durationMs: number; readonly works: number },
): Placed[] {
  const { machines, durationMs, works } = on;
  const work: Placed[] = [];
  const senders = machines.filter(({ character }) => character === "honest");
  let number = 0;
  for (let atMs = 5_000; atMs < durationMs; atMs += chance.magnitude(20_000, 15 * MINUTE_MS)) {
    const burst = chance.isTrue(0.15) ? chance.integer(3, 10) : 1;
    for (let count = 0; count < burst; count += 1) {
      number += 1;
      const sender = chance.pick(senders).server;
      work.push({
        atMs: atMs + chance.integer(0, 2_000),
        ...makeSending(chance, { sender, machines, number, works }),
      });
    }
    if (chance.isTrue(0.5)) {
      const server = chance.pick(senders).server;
      work.push({
        kind: "mark",
        atMs: atMs + chance.integer(0, MINUTE_MS),
        server,
        what: chance.pick(["read", "acked"] as const),
      });
    }
  }
  return [...work, ...repeat(chance, work)];
}

function makeSending(
  chance: Chance,
  on: {
    readonly sender: string;
    readonly machines: readonly MachinePlan[];
    readonly number: number;
    readonly works: number;
  },
): Sending {
  const { sender, machines, number, works } = on;
  const others = machines.filter(({ server }) => server !== sender).map(({ server }) => server);
  const sort = chance.fraction();
  const subject = sort < works ? "work" : sort < works + 0.1 ? "note" : "news";
  const isBroadcast = chance.isTrue(0.25);
  return {
    kind: "send",
    server: sender,
    to: isBroadcast
      ? ["all"]
      : [...new Set([chance.pick(others), ...(chance.isTrue(0.1) ? [chance.pick(others)] : [])])],
    subject,
    body: `${sender} message ${number}${chance.isTrue(0.4) ? ": how are you?" : ""}`,
    messageKind: chance.pick(["info", "info", "request", "warning"]),
    ackRequired: chance.isTrue(0.15),
    expiresInMs: chance.isTrue(0.08) ? chance.magnitude(10_000, HOUR_MS) : null,
    key: chance.isTrue(0.15) ? `key-${number}` : null,
    via: chance.isTrue(0.2) ? "command" : "daemon",
    waits: chance.isTrue(0.5),
    killedAfter: chance.isTrue(0.05) ? chance.magnitude(1, 150) : null,
  };
}

/** Whoever has a key may ask twice. */
function repeat(chance: Chance, work: readonly Placed[]): Placed[] {
  return work.flatMap((one) =>
    one.kind === "send" && one.key !== null && chance.isTrue(0.6)
      ? [{ ...one, atMs: one.atMs + chance.magnitude(10, 10 * MINUTE_MS), killedAfter: null }]
      : [],
  );
}
