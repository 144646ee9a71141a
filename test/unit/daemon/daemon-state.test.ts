import { beforeEach, describe, expect, test } from "bun:test";
import { DaemonState } from "../../../src/daemon/daemon-state.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";

let clock = new FakeClock();
let daemon = new DaemonState(clock);
beforeEach(() => {
  clock = new FakeClock();
  daemon = new DaemonState(clock);
});
const forever = (): AbortSignal => new AbortController().signal;

describe("waitForChange()", () => {
  test("answers at once when something has changed already", async () => {
    const { revision } = daemon;
    daemon.bump();
    expect(await daemon.waitForChange(revision, 60_000, forever())).toBe(revision + 1);
    expect(clock.sleptMs).toEqual([]);
  });

  test("answers everybody who waits as soon as something changes", async () => {
    const waits = [1, 2, 3].map(() => daemon.waitForChange(daemon.revision, 60_000, forever()));
    daemon.bump();
    expect(await Promise.all(waits)).toEqual([2, 2, 2]);
    expect(clock.sleeping).toBe(0);
  });

  test("answers the old revision at its timeout", async () => {
    const waited = daemon.waitForChange(daemon.revision, 500, forever());
    await clock.advance(500);
    expect(await waited).toBe(1);
  });

  test("answers when the daemon ends", async () => {
    const stop = new AbortController();
    const waited = daemon.waitForChange(daemon.revision, 60_000, stop.signal);
    stop.abort();
    expect(await waited).toBe(1);
  });
});

describe("wantCard() and wantReceipts()", () => {
  test("keep the earliest date and ring the push bell", async () => {
    daemon.wantCard(200);
    daemon.wantCard(1000);
    expect(daemon.cardDueMonoMs).toBe(clock.monotonicMs() + 200);
    daemon.wantCard(50);
    expect(daemon.cardDueMonoMs).toBe(clock.monotonicMs() + 50);
    daemon.wantReceipts(1000);
    daemon.wantReceipts(30_000);
    expect(daemon.receiptsDueMonoMs).toBe(clock.monotonicMs() + 1000);
    expect(await daemon.pushBell.wait(60_000, clock, forever())).toBe(true);
  });

  test("go by the monotonic clock", () => {
    clock.setWall(clock.wallMs() - 86_400_000);
    daemon.wantCard(200);
    expect(daemon.cardDueMonoMs).toBe(clock.monotonicMs() + 200);
  });
});

describe("noteTrouble() and noteSuccess()", () => {
  test("tell the first failure at once and then once a minute, and count all", async () => {
    const told: boolean[] = [];
    for (let count = 1; count <= 7; count += 1) {
      const noted = daemon.noteTrouble("fetch", `no ${count}`);
      expect(noted.count).toBe(count);
      told.push(noted.tell);
      await clock.advance(20_000);
    }
    expect(told).toEqual([true, false, false, true, false, false, true]);
    expect(daemon.trouble).toBe("no 7");
  });

  test("keep fetch and push apart; the trouble shown is that of fetching first", () => {
    daemon.noteTrouble("push", "refused");
    expect(daemon.trouble).toBe("refused");
    daemon.noteTrouble("fetch", "away");
    expect(daemon.trouble).toBe("away");
    expect(daemon.noteSuccess("fetch")).toBe(true);
    expect(daemon.trouble).toBe("refused");
    expect(daemon.noteSuccess("push")).toBe(true);
    expect(daemon.trouble).toBeNull();
  });

  test("noteSuccess() is false when nothing had failed, and the next failure counts from one", () => {
    expect(daemon.noteSuccess("push")).toBe(false);
    daemon.noteTrouble("push", "no");
    daemon.noteSuccess("push");
    expect(daemon.noteTrouble("push", "no")).toEqual({ count: 1, tell: true });
  });
});

test("notePush() remembers when the last push was, on both clocks", async () => {
  await clock.advance(5);
  daemon.notePush();
  expect(daemon.lastPushWallMs).toBe(clock.wallMs());
  expect(daemon.lastPushMonoMs).toBe(clock.monotonicMs());
});

describe("takeDues()", () => {
  test("takes what is wanted up to now, and what is wanted later stays", () => {
    const nowMs = clock.monotonicMs();
    daemon.wantCard(100);
    daemon.wantReceipts(200);
    expect(daemon.takeDues()).toEqual({ card: nowMs + 100, receipts: nowMs + 200 });
    expect([daemon.cardDueMonoMs, daemon.receiptsDueMonoMs]).toEqual([null, null]);
    daemon.wantCard(300);
    expect(daemon.cardDueMonoMs).toBe(nowMs + 300);
  });

  test("is undone by giveBack(), and the earlier date wins", () => {
    const nowMs = clock.monotonicMs();
    daemon.wantCard(100);
    const dues = daemon.takeDues();
    daemon.wantCard(300);
    daemon.wantReceipts(300);
    daemon.giveBack(dues);
    expect([daemon.cardDueMonoMs, daemon.receiptsDueMonoMs]).toEqual([nowMs + 100, nowMs + 300]);
  });
});

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

describe("noteConversation()", () => {
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
