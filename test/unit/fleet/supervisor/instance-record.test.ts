import { expect, test } from "bun:test";
import { type InstanceState, NEW_INSTANCE } from "../../../../src/fleet/supervisor/instance-model.ts";
import { InstanceRecord } from "../../../../src/fleet/supervisor/instance-record.ts";

const exit = (code: number) => ({ kind: "code", code }) as const;

test("knows nothing of before", () => {
  const record = new InstanceRecord();
  expect([record.endedWallMs, record.changedWallMs, record.ends]).toEqual([null, null, []]);
  record.noteEnd(exit(1));
  expect(record.ends).toEqual([]);
});

test("tells each end once, the newest first, and the last five alone", () => {
  const record = new InstanceRecord();
  for (let code = 1; code <= 6; code += 1) {
    record.noteGone(code * 1000);
    record.noteEnd(exit(code));
    // A change that is no end tells of the same one again.
    record.noteEnd(exit(code));
  }
  record.noteEnd(null);
  expect(record.ends.map(({ atWallMs }) => atWallMs)).toEqual([6000, 5000, 4000, 3000, 2000]);
  expect(record.ends[0]?.why).toEqual(exit(6));
  expect(record.endedWallMs).toBe(6000);
});

test("tells since when it does what it does; nobody knows that of what was found running", () => {
  const record = new InstanceRecord();
  const spawning: InstanceState = { ...NEW_INSTANCE, wanted: true, phase: { kind: "spawning" } };
  record.note({ kind: "start" }, { before: NEW_INSTANCE, after: spawning }, 5);
  expect(record.changedWallMs).toBe(5);
  record.note({ kind: "dependencies" }, { before: spawning, after: spawning }, 6);
  expect(record.changedWallMs).toBe(5);
  const tree = { identity: { pid: 7, start: "s" }, run: "r", cgroup: null };
  record.note(
    { kind: "adopted", tree, progress: "ready", ending: null },
    { before: NEW_INSTANCE, after: spawning },
    7,
  );
  expect(record.changedWallMs).toBeNull();
});

test("the step that ends a run tells of its end", () => {
  const record = new InstanceRecord();
  record.noteGone(9);
  const ending: InstanceState = { ...NEW_INSTANCE, phase: { kind: "spawning" }, lastEnd: exit(3) };
  record.note({ kind: "emptied" }, { before: ending, after: { ...ending, phase: { kind: "stopped" } } }, 10);
  expect(record.ends).toEqual([{ why: exit(3), atWallMs: 9 }]);
});
