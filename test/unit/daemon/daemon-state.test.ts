import { describe, expect, test } from "bun:test";
import { DaemonState } from "../../../src/daemon/daemon-state.ts";

function stateAt(clock: { nowMs: number }): DaemonState {
  return new DaemonState({
    wallMs: () => clock.nowMs,
    monotonicMs: () => clock.nowMs,
    sleep: () => Promise.resolve(),
  });
}

/** Whether the bell was rung since the last look; a sleep ends at once here, so only a ring is told. */
const hasRung = (state: DaemonState): Promise<boolean> =>
  state.receiveBell.wait(
    1,
    { wallMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() },
    AbortSignal.timeout(1),
  );

describe("DaemonState", () => {
  test("noteConversation() holds for a minute after the last message", () => {
    const clock = { nowMs: 1_000 };
    const state = stateAt(clock);
    expect(state.inConversation).toBe(false);
    state.noteConversation();
    clock.nowMs += 59_000;
    state.noteConversation();
    clock.nowMs += 59_000;
    expect(state.inConversation).toBe(true);
    clock.nowMs += 1_000;
    expect(state.inConversation).toBe(false);
  });

  test("noteConversation() rings for its first message alone", async () => {
    const state = stateAt({ nowMs: 0 });
    state.noteConversation();
    expect(await hasRung(state)).toBe(true);
    state.noteConversation();
    expect(await hasRung(state)).toBe(false);
  });
});
