/** What goes wrong with a fleet, and how it ends. */
import { toUtf8 } from "../../src/base/bytes.ts";
import { strangersCommit } from "../helpers/memory-fleet.ts";
import { parentsOf } from "../helpers/memory-git.ts";
import type { Fault } from "./happening.ts";
import type { Machine } from "./machine.ts";
import type { World } from "./world.ts";

/** Ends a fault that lasts; harmless when it has ended. */
export interface Cure {
  readonly apply: () => void;
}

/** Before a power cut it is known for so long that it comes. */
const ARMED_MS = 20_000;

type Of<Kind extends Fault["kind"]> = Extract<Fault, { kind: Kind }>;

/** Makes a fault happen now. */
export function breakFleet(world: World, fault: Fault): void {
  switch (fault.kind) {
    case "refs-deleted":
    case "rewound":
    case "junk":
    case "odd-refs":
    case "rewritten":
      meddle(world, fault);
      return;
    default:
      breakMachines(world, fault);
  }
}

type Meddling = Of<"refs-deleted" | "rewound" | "junk" | "odd-refs" | "rewritten">;

function breakMachines(world: World, fault: Exclude<Fault, Meddling>): void {
  const machines = fault.server === "*" ? [...world.machines.values()] : [world.machine(fault.server)];
  for (const machine of machines) breakMachine(world, machine, fault);
}

function breakMachine(world: World, machine: Machine, fault: Exclude<Fault, Meddling>): void {
  switch (fault.kind) {
    case "shut":
    case "slow":
    case "limited":
    case "pushes":
      breakWay(world, machine, fault);
      return;
    case "locked":
      lockRefs(world, machine, fault);
      return;
    case "crash":
      crash(world, machine, fault);
      return;
    case "clock":
      world.setClock(machine, fault.byMs);
      return;
    case "pause":
      machine.life?.pause(fault.forMs);
      return;
    case "disk-full":
      machine.files.state.isFull = true;
      last(world, fault.forMs, () => {
        machine.files.state.isFull = false;
      });
      return;
    case "backup":
      restoreBackup(world, machine, fault);
  }
}

/** A copy of a state directory is made now, and put in its place later. */
function restoreBackup(world: World, machine: Machine, { forMs }: Of<"backup">): void {
  if (!machine.isMember) return;
  const takenMs = world.timeline.nowMs;
  const backup = machine.backUp();
  last(world, forMs, () => {
    machine.life?.end();
    machine.restore(backup);
    world.excuse(machine, takenMs);
    world.note(machine.server, "is put back to an old backup");
    machine.start();
  });
}

/** Something that lasts for a while, or until everything is healed. */
function last(world: World, forMs: number, end: () => void): void {
  let isOver = false;
  const cure: Cure = {
    apply: () => {
      if (isOver) return;
      isOver = true;
      world.cures.delete(cure);
      end();
    },
  };
  world.cures.add(cure);
  world.timeline.after(forMs, cure.apply);
}

function breakWay(world: World, machine: Machine, fault: Of<"shut" | "slow" | "limited" | "pushes">): void {
  const { way } = machine;
  switch (fault.kind) {
    case "shut":
      way.shut[fault.how] += 1;
      last(world, fault.forMs, () => {
        way.shut[fault.how] -= 1;
        world.noteWayChange(machine);
      });
      break;
    case "slow":
      way.slowness *= fault.factor;
      last(world, fault.forMs, () => {
        way.slowness = Math.max(1, way.slowness / fault.factor);
        world.noteWayChange(machine);
      });
      break;
    case "limited":
      way.limitedUntilMs = world.timeline.nowMs + fault.forMs;
      break;
    case "pushes": {
      const { trouble, count, lateMs } = fault;
      const one = trouble === "late" ? ({ kind: "late", ms: lateMs } as const) : { kind: trouble };
      way.pushTroubles.push(...Array.from({ length: count }, () => one));
      break;
    }
  }
  world.noteWayChange(machine);
}

function lockRefs(world: World, machine: Machine, fault: Of<"locked">): void {
  const { locks } = world.network.remote;
  for (const ref of refsOf(machine.server)) {
    locks.set(ref, machine.wallMs);
    // What a killed push left on a folder is taken away by its owner, once it is old enough by his clock.
    if (fault.isLeft && world.network.isFolder) world.cures.add({ apply: () => void locks.delete(ref) });
    else last(world, fault.forMs, () => void locks.delete(ref));
  }
}

function crash(world: World, machine: Machine, fault: Of<"crash">): void {
  const begin = (): void => {
    machine.crash(fault.afterCalls, fault.power, () => {
      if (fault.losesIndex) machine.loseIndex();
      const restart = (): void => machine.start();
      last(world, fault.downMs, restart);
    });
  };
  if (!machine.isMember) return;
  if (!fault.power) {
    begin();
    return;
  }
  machine.arm();
  world.timeline.after(ARMED_MS, begin);
}

const refsOf = (server: string): string[] => [`refs/fleet/log/${server}`, `refs/fleet/state/${server}`];

/** A stranger with access to the remote. */
function meddle(
  world: World,
  fault: Of<"refs-deleted" | "rewound" | "junk" | "odd-refs" | "rewritten">,
): void {
  const { network } = world;
  const { refs } = network.remote;
  switch (fault.kind) {
    case "refs-deleted": {
      const [log = "", state = ""] = refsOf(fault.server);
      const every = [...refs.keys()].filter((ref) => /^refs\/fleet\/(?:log|state)\//.test(ref));
      const gone = { log: [log], state: [state], both: [log, state], all: every }[fault.which];
      for (const ref of gone) network.move(ref, null, "stranger");
      return;
    }
    case "rewound": {
      const ref = `refs/fleet/${fault.which}/${fault.server}`;
      const older = olderOf(world, ref, fault.steps);
      if (older === null) return;
      world.strange.add(older);
      network.move(ref, older, "stranger");
      return;
    }
    case "junk": {
      const ref = `refs/fleet/${fault.which}/${fault.server}`;
      const before = refs.get(ref);
      if (before === undefined) return;
      const id = putJunk(world, before);
      network.move(ref, id, "stranger");
      last(world, fault.forMs, () => {
        if (refs.get(ref) === id) network.move(ref, before, "stranger");
      });
      return;
    }
    case "rewritten": {
      const ref = `refs/fleet/${fault.which}/${fault.server}`;
      const before = refs.get(ref);
      if (before !== undefined) network.move(ref, putJunk(world, fault.isRoot ? null : before), "stranger");
      return;
    }
    case "odd-refs":
      for (const kind of ["log", "state"]) {
        network.move(`refs/fleet/${kind}/${fault.name}`, putJunk(world, null), "stranger");
      }
  }
}

function putJunk(world: World, parent: string | null): string {
  const text = toUtf8(`anything ${world.timeline.nowMs}\n`);
  const files = { "entries.jsonl": text, "entries.sig": text, "card.json": text, "card.sig": text };
  const { all, commitId } = strangersCommit(files, parent);
  for (const object of all) world.network.remote.objects.set(object.id, object);
  world.strange.add(commitId);
  world.junk.add(commitId);
  return commitId;
}

/** A commit that stood on a ref before: of a log its ancestor, of a state ref none is known but the log's owner's. */
function olderOf(world: World, ref: string, steps: number): string | null {
  const { refs, objects } = world.network.remote;
  const history = world.history.get(ref);
  if (ref.includes("/state/")) return history?.at(-1 - steps) ?? null;
  let id = refs.get(ref);
  for (let step = 0; step < steps && id !== undefined; step += 1) {
    const commit = objects.get(id);
    id = commit === undefined ? undefined : parentsOf(commit)[0];
  }
  return id ?? null;
}
