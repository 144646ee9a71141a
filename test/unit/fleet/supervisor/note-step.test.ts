import { beforeEach, expect, test } from "bun:test";
import { NEW_INSTANCE, type Phase } from "../../../../src/fleet/supervisor/instance-model.ts";
import { isEndOfRun, type NotedStep, noteStep } from "../../../../src/fleet/supervisor/note-step.ts";
import {
  prepareServices,
  type RunProgress,
  ServiceStore,
} from "../../../../src/fleet/supervisor/service-store.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";
import { MemoryDatabase } from "../../../helpers/memory-database.ts";

const KEY = { service: "web", number: 1, successor: false };
const TREE = { identity: { pid: 7, start: "boot:7" }, run: "r", cgroup: null };
const PERSON = { kind: "person" } as const;
const running = (ready: boolean): Phase => ({
  kind: "running",
  tree: TREE,
  ready,
  sinceMonoMs: 0,
  readyMonoMs: null,
});
const ending = (next: "stay" | "start"): Phase => ({ kind: "ending", tree: TREE, next, why: PERSON });

let store: ServiceStore;
beforeEach(() => {
  const database = new MemoryDatabase();
  prepareServices(database);
  store = new ServiceStore(database, "boot", {
    clock: new FakeClock(),
    onTrouble: () => undefined,
    onWell: () => undefined,
  });
  store.want([KEY], true);
  store.noteRun(
    KEY,
    { run: "r", digest: "", startedWallMs: 1 },
    { signal: "SIGTERM", to: "group", timeoutMs: 1 },
  );
});

const step = (before: Phase, after: Phase): NotedStep => ({
  before: { ...NEW_INSTANCE, phase: before },
  after: { ...NEW_INSTANCE, phase: after, lastEnd: PERSON },
  endedWallMs: 9,
});
const noted = (before: Phase, after: Phase) => {
  noteStep(store, KEY, step(before, after));
  return store.instances()[0];
};

test.each<[string, Phase, Phase, RunProgress]>([
  ["a start that waits for its probe", { kind: "spawning" }, running(false), "begun"],
  ["one that is ready", running(false), running(true), "ready"],
  ["one that is not ready any more", running(true), running(false), "unready"],
])("noteStep() notes how far %s has come", (_, before, after, progress) => {
  expect(noted(before, after)?.run?.progress).toBe(progress);
});

test("noteStep() notes what follows an end before it is there, and a person's change of mind", () => {
  expect(noted(running(true), ending("start"))?.run?.ending).toEqual({ next: "start", why: PERSON });
  expect(noted(ending("start"), ending("stay"))?.run?.ending).toEqual({ next: "stay", why: PERSON });
});

test("noteStep() takes the run away when nothing of it is left", () => {
  expect(noted(ending("stay"), { kind: "stopped" })).toMatchObject({
    run: null,
    lastEnd: PERSON,
    endedWallMs: 9,
  });
});

test("isEndOfRun() is true once", () => {
  expect(isEndOfRun(step(ending("stay"), { kind: "stopped" }))).toBe(true);
  expect(isEndOfRun(step({ kind: "stopped" }, { kind: "stopped" }))).toBe(false);
  expect(isEndOfRun(step(ending("start"), { kind: "spawning" }))).toBe(false);
});
