import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decideReply,
  type ReplySituation,
  replyBudgets,
  type Silence,
  silenceOfAct,
} from "../../../../src/fleet/messaging/decide-reply.ts";
import { HOPS_MAX, type MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import type { Bucket } from "../../../../src/resilience/token-bucket.ts";
import { idOf, messageBody, NOW, NOW_MS } from "../../../helpers/batch-tools.ts";

const BUDGETS = replyBudgets(DEFAULT_SETTINGS.auto_reply);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const message = (changes: Partial<MessageEntry> = {}): MessageEntry => ({
  ...{ v: 1, id: idOf(1), seq: 2, prev: null, from: "code2", at: NOW },
  ...messageBody({ to: ["code1"], kind: "request", subject: "Hello", body: "Do it" }),
  ...changes,
});

const situation = (changes: Partial<ReplySituation> = {}): ReplySituation => ({
  server: "code1",
  groups: ["build"],
  nowMs: NOW_MS,
  answered: false,
  expired: false,
  matched: true,
  budgets: BUDGETS,
  bucket: () => null,
  ...changes,
});

const outcome = (changes: Partial<MessageEntry>, about: Partial<ReplySituation> = {}): Silence | "reply" => {
  const decision = decideReply(message(changes), situation(about));
  return decision.reply ? "reply" : decision.silence;
};

/** A machine that keeps its buckets, as a daemon does between messages. */
class Machine {
  readonly buckets = new Map<string, Bucket>();
  #number = 0;

  /** Takes one more message, never seen before, at `nowMs`. */
  take(nowMs: number, changes: Partial<MessageEntry> = {}): Silence | "reply" {
    this.#number += 1;
    const about = situation({ nowMs, bucket: (name) => this.buckets.get(name) ?? null });
    const decision = decideReply(message({ id: idOf(this.#number), ...changes }), about);
    for (const [name, bucket] of decision.buckets) this.buckets.set(name, bucket);
    return decision.reply ? "reply" : decision.silence;
  }

  /** How many of the messages that `make` gives for these instants are answered. */
  countReplies(instants: readonly number[], make: (index: number) => Partial<MessageEntry>): number {
    return instants.filter((nowMs, index) => this.take(nowMs, make(index)) === "reply").length;
  }
}

/** Instants from `NOW_MS` on, `everyMs` apart, for `durationMs`. */
const instants = (everyMs: number, durationMs: number): number[] =>
  Array.from({ length: Math.floor(durationMs / everyMs) + 1 }, (_, index) => NOW_MS + index * everyMs);

const BROADCAST = { to: ["all"] };
const threadWith = (tokens: number) => (name: string) =>
  name.startsWith("thread:") ? { tokens, updatedMs: NOW_MS } : null;

describe("silenceOfAct()", () => {
  test("silenceOfAct() lets handlers work on broadcasts that nobody answers", () => {
    const broadcast = message(BROADCAST);
    expect(silenceOfAct(broadcast, situation(), "answer")).toBe("broadcast");
    expect(silenceOfAct(broadcast, situation(), "run")).toBeNull();
  });

  test.each<[Silence, Partial<MessageEntry>, boolean]>([
    ["not-for-me", { to: ["code3"] }, false],
    ["not-for-me", { from: "code1" }, false],
    ["automatic", { auto: true }, false],
    ["hops", { hops: HOPS_MAX }, false],
    ["expired", {}, true],
  ])("silenceOfAct() says %s for answers and handlers alike", (silence, changes, expired) => {
    for (const act of ["answer", "run"] as const) {
      expect(silenceOfAct(message(changes), situation({ expired }), act)).toBe(silence);
    }
  });
});

describe("decideReply()", () => {
  test("decideReply() answers a request that nothing speaks against", () => {
    expect(outcome({})).toBe("reply");
  });

  test.each<[Silence, Partial<MessageEntry>, Partial<ReplySituation>]>([
    ["not-for-me", { to: ["code3"] }, {}],
    ["not-for-me", { to: ["@web"], ack_required: true }, {}],
    ["not-for-me", { from: "code1", to: ["code1", "all"] }, {}],
    ["automatic", { auto: true }, {}],
    ["hops", { hops: HOPS_MAX }, {}],
    ["hops", { hops: 1000 }, {}],
    ["broadcast", BROADCAST, {}],
    ["broadcast", { to: ["@build"], ack_required: false }, {}],
    ["expired", {}, { expired: true }],
    ["no-rule", {}, { matched: false }],
    ["answered", {}, { answered: true }],
    ["budget-thread", {}, { bucket: threadWith(0) }],
    [
      "budget-peer",
      {},
      { bucket: (name) => (name === "peer:code2" ? { tokens: 0.99, updatedMs: NOW_MS } : null) },
    ],
    ["budget-host", {}, { bucket: (name) => (name === "host" ? { tokens: 0, updatedMs: NOW_MS } : null) }],
  ])("decideReply() is silent for %s (%#)", (silence, changes, about) => {
    expect(outcome(changes, about)).toBe(silence);
  });

  test("decideReply() names the first of all reasons that apply, in the order of the protocol", () => {
    const empty = (): Bucket => ({ tokens: 0, updatedMs: NOW_MS });
    let changes: Partial<MessageEntry> = {
      to: ["@web"],
      auto: true,
      hops: 9,
    };
    let about: Partial<ReplySituation> = { expired: true, answered: true, matched: false, bucket: empty };
    const seen: string[] = [outcome(changes, about)];
    const steps: [Partial<MessageEntry>, Partial<ReplySituation>][] = [
      [BROADCAST, {}],
      [{ auto: false }, {}],
      [{ hops: HOPS_MAX - 1 }, {}],
      [{ ack_required: true }, {}],
      [{}, { expired: false }],
      [{}, { matched: true }],
      [{}, { answered: false }],
      [{}, { bucket: (name) => (name.startsWith("thread:") ? null : empty()) }],
      [{}, { bucket: (name) => (name === "host" ? empty() : null) }],
      [{}, { bucket: () => null }],
    ];
    for (const [change, fact] of steps) {
      changes = { ...changes, ...change };
      about = { ...about, ...fact };
      seen.push(outcome(changes, about));
    }
    expect(seen).toEqual([
      "not-for-me",
      "automatic",
      "hops",
      "broadcast",
      "expired",
      "no-rule",
      "answered",
      "budget-thread",
      "budget-peer",
      "budget-host",
      "reply",
    ]);
  });

  test("decideReply() answers a broadcast or a group that asks for an acknowledgement", () => {
    expect(outcome({ to: ["all"], ack_required: true })).toBe("reply");
    expect(outcome({ to: ["@build"], ack_required: true })).toBe("reply");
  });

  test("decideReply() answers whoever names this server among others", () => {
    expect(outcome({ to: ["all", "code3", "code1"] })).toBe("reply");
  });

  test("decideReply() takes one token of each of three buckets, kept apart by peer", () => {
    const decision = decideReply(message({ thread: "t" }), situation());
    expect([...decision.buckets]).toEqual([
      ["thread:code2:t", { tokens: 2, updatedMs: NOW_MS }],
      ["peer:code2", { tokens: 9, updatedMs: NOW_MS }],
      ["host", { tokens: 49, updatedMs: NOW_MS }],
    ]);
  });

  test("decideReply() takes a message without a thread for the first of its own", () => {
    expect([...decideReply(message(), situation()).buckets.keys()][0]).toBe(`thread:code2:${idOf(1)}`);
  });

  test("decideReply() takes no token where it stays silent", () => {
    for (const about of [{ expired: true }, { bucket: threadWith(0) }, { answered: true }]) {
      expect(decideReply(message(), situation(about)).buckets.size).toBe(0);
    }
  });

  test("decideReply() never answers with budgets of 0", () => {
    const none = { capacity: 0, periodMs: HOUR_MS };
    expect(outcome({}, { budgets: { thread: none, peer: none, host: none } })).toBe("budget-thread");
    expect(outcome({}, { budgets: { ...BUDGETS, host: none } })).toBe("budget-host");
  });
});

describe("decideReply() and its budgets", () => {
  test("replyBudgets() makes the budgets of the documentation of the default settings", () => {
    expect(BUDGETS).toEqual({
      thread: { capacity: 3, periodMs: 10 * MINUTE_MS },
      peer: { capacity: 10, periodMs: HOUR_MS },
      host: { capacity: 50, periodMs: HOUR_MS },
    });
  });

  test("decideReply() answers one conversation three times at once, and then every 200 seconds", () => {
    const machine = new Machine();
    const at = (seconds: number) => machine.take(NOW_MS + seconds * 1000, { thread: "t" });
    expect([at(0), at(0), at(0), at(0)]).toEqual(["reply", "reply", "reply", "budget-thread"]);
    expect([at(199), at(200), at(201)]).toEqual(["budget-thread", "reply", "budget-thread"]);
  });

  test("decideReply() keeps equal threads of two peers apart, so that nobody uses up another's", () => {
    const machine = new Machine();
    for (let count = 0; count < 4; count += 1) machine.take(NOW_MS, { from: "code2", thread: "t" });
    expect(machine.take(NOW_MS, { from: "code3", thread: "t" })).toBe("reply");
  });

  test("decideReply() answers one peer ten times at once, and then every six minutes", () => {
    const machine = new Machine();
    expect(machine.countReplies(Array(30).fill(NOW_MS), (index) => ({ thread: `t${index}` }))).toBe(10);
    expect(machine.take(NOW_MS + 5 * MINUTE_MS)).toBe("budget-peer");
    expect(machine.take(NOW_MS + 6 * MINUTE_MS)).toBe("reply");
  });

  test("decideReply() answers a host's peers fifty times at once", () => {
    const machine = new Machine();
    expect(machine.countReplies(Array(200).fill(NOW_MS), (index) => ({ from: `s${index}` }))).toBe(50);
    expect(machine.take(NOW_MS, { from: "s999" })).toBe("budget-host");
  });

  test("decideReply() bounds a peer that lies about auto and hops and changes threads: 10 + 10 an hour", () => {
    const hours = 6;
    const replies = new Machine().countReplies(instants(10_000, hours * HOUR_MS), (index) => ({
      thread: `t${index}`,
    }));
    expect(replies).toBeLessThanOrEqual(10 + 10 * hours);
    expect(replies).toBeGreaterThanOrEqual(10 + 10 * hours - 1);
  });

  test("decideReply() bounds many peers that lie together: 50 + 50 an hour", () => {
    const hours = 6;
    const replies = new Machine().countReplies(instants(10_000, hours * HOUR_MS), (index) => ({
      from: `s${index % 100}`,
      thread: `t${index}`,
    }));
    expect(replies).toBeLessThanOrEqual(50 + 50 * hours);
    expect(replies).toBeGreaterThanOrEqual(50 + 50 * hours - 1);
  });

  test("decideReply() answers at most 50 + 50 an hour, whoever writes what when", () => {
    const traffic = fc.array(
      fc.record({
        gapMs: fc.integer({ min: 0, max: 20 * MINUTE_MS }),
        from: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
        thread: fc.constantFrom("t", "u", "v", "w"),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(traffic, (all) => {
        const machine = new Machine();
        let nowMs = NOW_MS;
        let replies = 0;
        for (const { gapMs, from, thread } of all) {
          nowMs += gapMs;
          if (machine.take(nowMs, { from, thread }) === "reply") replies += 1;
        }
        expect(replies).toBeLessThanOrEqual(50 + (50 * (nowMs - NOW_MS)) / HOUR_MS);
      }),
      { numRuns: 20 },
    );
  });

  test("decideReply() lets two honest machines exchange one answer and then nothing", () => {
    // The answer of code1 arrives at code2 with `auto`, as the protocol has it.
    expect(outcome({ auto: true, hops: 1, kind: "response", subject: "Re: ping", body: "Status?" })).toBe(
      "automatic",
    );
  });

  test("decideReply() ends a conversation with a peer that drops auto and keeps hops", () => {
    const answered = [0, 1, 2, 3, 4, 5, 6].filter((hops) => outcome({ hops }) === "reply");
    expect(answered).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("decideReply() when the clock is set", () => {
  const tired = (): Machine => {
    const machine = new Machine();
    machine.countReplies(Array(10).fill(NOW_MS), (index) => ({ thread: `t${index}` }));
    return machine;
  };

  test("decideReply() gives nothing away when the clock is set back by a day", () => {
    expect(tired().take(NOW_MS - DAY_MS, { thread: "new" })).toBe("budget-peer");
  });

  test("decideReply() answers again six minutes after the clock was set back by a day", () => {
    const machine = tired();
    const backMs = NOW_MS - DAY_MS;
    expect(machine.take(backMs, { thread: "a" })).toBe("budget-peer");
    expect(machine.take(backMs + 5 * MINUTE_MS, { thread: "b" })).toBe("budget-peer");
    expect(machine.take(backMs + 6 * MINUTE_MS, { thread: "c" })).toBe("reply");
  });

  test("decideReply() stores an empty bucket whose clock went back, and no other", () => {
    const backMs = NOW_MS - DAY_MS;
    const peer = { tokens: 0.5, updatedMs: NOW_MS };
    const bucket = (name: string): Bucket | null => (name === "peer:code2" ? peer : null);
    const decision = decideReply(message(), situation({ nowMs: backMs, bucket }));
    expect([...decision.buckets]).toEqual([["peer:code2", { tokens: 0.5, updatedMs: backMs }]]);
  });

  test("decideReply() gives at most one more burst when the clock is set forward by a day", () => {
    const machine = tired();
    const replies = machine.countReplies(Array(40).fill(NOW_MS + DAY_MS), (index) => ({
      thread: `u${index}`,
    }));
    expect(replies).toBe(10);
  });

  test("decideReply() stays within its bound while the clock goes to and fro within a minute", () => {
    const machine = new Machine();
    const unsteady = Array.from({ length: 600 }, (_, index) => NOW_MS + (index % 2) * MINUTE_MS);
    // 300 jumps forward of a minute are worth five hours of refilling.
    expect(machine.countReplies(unsteady, (index) => ({ thread: `t${index}` }))).toBeLessThanOrEqual(
      10 + 10 * 5,
    );
  });
});
