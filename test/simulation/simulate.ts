/** One run: a plan played to its end, healed, brought to rest, and judged. */
import { fromUtf8 } from "../../src/base/bytes.ts";
import { type Evidence, judge, type RemoteEntry, type ServerEvidence } from "../helpers/fleet-checker.ts";
import { filesOf, parentsOf } from "../helpers/memory-git.ts";
import { parseLog } from "../helpers/wire-log.ts";
import type { Broken } from "./checks.ts";
import type { Plan } from "./happening.ts";
import type { Machine } from "./machine.ts";
import { World, type WorldOptions } from "./world.ts";

/** What came of a run. */
export interface Outcome {
  readonly seed: number;
  readonly broken: readonly Broken[];
  readonly traceHash: string;
  readonly trace: readonly string[] | null;
  readonly counts: Counts;
}

export interface Counts {
  readonly events: number;
  readonly faults: number;
  readonly sends: number;
  readonly acknowledged: number;
  readonly entries: number;
  readonly answers: number;
  readonly pushes: number;
}

const STEP_MS = 5_000;
/** After so long at peace everything has to be where it belongs. Chosen: above a breaker's 5 minutes and a pause's 20. */
const REST_MS_MAX = 90 * 60_000;
/** Peace has to last for so long. */
const QUIET_MS = 60_000;

/** Plays `plan`. */
export function simulate(plan: Plan, options: WorldOptions): Outcome {
  const world = new World(plan, options);
  world.begin();
  world.timeline.runUntil(plan.durationMs);
  world.heal();
  const endMs = plan.durationMs + REST_MS_MAX;
  let quietSinceMs: number | null = null;
  while (world.timeline.nowMs < endMs) {
    world.timeline.runUntil(world.timeline.nowMs + STEP_MS);
    if (!isAtRest(world)) quietSinceMs = null;
    else quietSinceMs ??= world.timeline.nowMs;
    if (quietSinceMs !== null && world.timeline.nowMs - quietSinceMs >= QUIET_MS) break;
  }
  const broken = [...world.checks.broken, ...judgeEnd(world)];
  world.note("world", `ends with ${broken.length} broken promises`);
  return {
    seed: plan.seed,
    broken,
    traceHash: world.trace.hash,
    trace: world.trace.lines,
    counts: countsOf(world),
  };
}

function countsOf(world: World): Counts {
  const { plan, timeline, checks, network, records } = world;
  const sends = [...records.values()];
  return {
    events: timeline.count,
    faults: plan.happenings.filter(({ kind }) => kind !== "send" && kind !== "mark").length,
    sends: sends.length,
    acknowledged: sends.filter(({ told }) => told !== "nothing").length,
    entries: checks.arrivedMs.size,
    answers: [...checks.answers.values()].reduce((sum, count) => sum + count, 0),
    pushes: network.remote.pushes.length,
  };
}

const members = (world: World): Machine[] =>
  [...world.machines.values()].filter((machine) => machine.isMember);

/** Nothing waits anywhere, and everybody has handled what is on the remote. */
function isAtRest(world: World): boolean {
  const tips = new Map(
    members(world).map(({ server }) => [server, world.network.remote.refs.get(`refs/fleet/log/${server}`)]),
  );
  return members(world).every((machine) => {
    const { state, index } = machine.files;
    if (machine.daemon === null) return false;
    const waiting = "SELECT 1 FROM outbox WHERE state <> 'pushed' AND state IN ('queued', 'built') LIMIT 1";
    if (state.ask(waiting).length > 0) return false;
    if (state.ask("SELECT 1 FROM runs WHERE state IN ('queued', 'started') LIMIT 1").length > 0) return false;
    const read = new Map(
      index.ask<Place>("SELECT writer, tip, epoch, seq FROM progress").map((row) => [row.writer, row]),
    );
    const handled = new Map(
      state.ask<Handled>("SELECT server, epoch, seq FROM peers").map((row) => [row.server, row]),
    );
    return [...tips].every(([writer, tip]) => {
      const progress = read.get(writer);
      if (tip === undefined || progress?.tip !== tip) return false;
      const cursor = handled.get(writer);
      return writer === machine.server || (cursor?.epoch === progress.epoch && cursor.seq === progress.seq);
    });
  });
}

type Place = { writer: string; tip: string; epoch: string; seq: number };
type Handled = { server: string; epoch: string; seq: number };

function judgeEnd(world: World): Broken[] {
  const { nowMs: atMs } = world.timeline;
  const found = judge([...world.records.values()], gatherEvidence(world));
  const surprises = [...world.machines.values()].flatMap(({ server, surprises: all }) =>
    all.map((detail) => ({ rule: "crashed", detail: `${server}: ${detail}`, atMs })),
  );
  return [...found.map((one) => ({ ...one, atMs })), ...judgeWork(world), ...surprises];
}

/** A handler runs once for a message, again where it asked for that, and again after a crash where its rule says so. */
function judgeWork(world: World): Broken[] {
  const atMs = world.timeline.nowMs;
  const { onCrash } = world.plan;
  return [...world.machines.values()].flatMap(({ server, handlers }) =>
    [...handlers.done].flatMap(([message, { starts, again }]): Broken[] => {
      const most = onCrash === "park" ? 1 + again : 3;
      if (starts <= most) return [];
      return [
        { rule: "handled-twice", detail: `${server} ran its handler ${starts} times for ${message}`, atMs },
      ];
    }),
  );
}

function gatherEvidence(world: World): Evidence {
  return {
    entries: members(world).flatMap(({ server }) => readLog(world, server)),
    servers: members(world)
      .filter((machine) => machine.isHonest)
      .map((machine) => evidenceOf(world, machine)),
    fsck: [],
    locks: [],
    processes: [],
  };
}

function readLog(world: World, server: string): RemoteEntry[] {
  const { refs, objects } = world.network.remote;
  const files: string[] = [];
  for (let id = refs.get(`refs/fleet/log/${server}`); id !== undefined; ) {
    const commit = objects.get(id);
    if (commit === undefined) break;
    const blob = objects.get(filesOf(commit, objects).get("entries.jsonl") ?? "");
    // What a stranger put on a log stays there until its owner has something to say, and is nobody's word.
    if (!world.junk.has(id)) files.unshift(fromUtf8(blob?.content ?? new Uint8Array(0)) ?? "");
    id = parentsOf(commit)[0];
  }
  return parseLog(server, files);
}

function evidenceOf(world: World, { server, files: { state, index } }: Machine): ServerEvidence {
  const outbox = state.ask<{ id: string; state: string }>("SELECT id, state FROM outbox ORDER BY position");
  return {
    server,
    outbox: outbox.map((row) => ({
      ...row,
      // When it really was there, whatever the server believed.
      pushedWallMs: world.checks.arrivedMs.get(`${server} ${row.id}`) ?? null,
    })),
    journal: state.ask<{ from: string; id: string; reply: string }>(
      'SELECT message_from AS "from", message_id AS id, reply_id AS reply FROM journal ORDER BY message_from, message_id',
    ),
    inbox: index.ask<{ id: string; from: string; seq: number }>(
      `SELECT id, writer AS "from", seq FROM entries WHERE type = 'message' AND to_me = 1 ORDER BY position`,
    ),
    quarantined: index
      .ask<{ server: string; place: string; reason: string }>(
        "SELECT server, place, reason FROM quarantine ORDER BY server, place",
      )
      .filter(({ place }) => !isStrange(world, place))
      .map(({ server: of, place, reason }) => `${of} ${place}: ${reason}`),
  };
}

/** Whether a stranger put it there: a commit of his, or a ref that is named like no server. */
const isStrange = ({ strange, machines }: World, place: string): boolean =>
  strange.has(place) || (place.startsWith("refs/") && !machines.has(place.slice(place.lastIndexOf("/") + 1)));
