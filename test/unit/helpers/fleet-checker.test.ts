import { expect, test } from "bun:test";
import {
  describe,
  type Evidence,
  judge,
  type RemoteEntry,
  type SendRecord,
  type ServerEvidence,
} from "../../helpers/fleet-checker.ts";

/** A log of `writer`: its key, and the given messages, well chained. */
function logOf(writer: string, messages: readonly Partial<RemoteEntry>[]): RemoteEntry[] {
  const plain = { writer, epoch: "e", from: writer, to: ["b"], auto: false, inReplyTo: null };
  const lines = [
    { type: "key", body: "" },
    ...messages.map((one) => ({ type: "message", body: "", ...one })),
  ];
  return lines.map((line, place) => ({
    ...plain,
    seq: place + 1,
    prev: place === 0 ? null : `${writer}-hash-${place}`,
    hash: `${writer}-hash-${place + 1}`,
    id: `${writer}-${place + 1}`,
    ...line,
  }));
}

const sent = (body: string, startedWallMs: number, told: SendRecord["told"] = "pushed"): SendRecord => ({
  server: "a",
  body,
  startedWallMs,
  endedWallMs: startedWallMs + 5,
  told,
});

const inboxOf = (...seqs: readonly number[]): NonNullable<ServerEvidence["inbox"]> =>
  seqs.map((seq) => ({ id: `a-${seq}`, from: "a", seq }));

const answer = { body: "fine", to: ["a"], auto: true, inReplyTo: "a-2" };
const pushed = (id: string, pushedWallMs = 1) => ({ id, state: "pushed", pushedWallMs });

/** A fleet in which all is well: a sent "one" and "two" to b, and b answered the first. */
function goodFleet() {
  const evidence = {
    entries: [...logOf("a", [{ body: "one" }, { body: "two" }]), ...logOf("b", [answer])],
    servers: [
      {
        server: "a",
        outbox: [pushed("a-1"), pushed("a-2"), pushed("a-3")],
        journal: [],
        inbox: [{ id: "b-2", from: "b", seq: 2 }],
        quarantined: [],
      },
      {
        server: "b",
        outbox: [pushed("b-1"), pushed("b-2")],
        journal: [{ from: "a", id: "a-2", reply: "b-2" }],
        inbox: inboxOf(2, 3),
        quarantined: [],
      },
    ],
    fsck: [],
    locks: [],
    processes: [],
  } satisfies Evidence;
  return { sends: [sent("one", 10), sent("two", 20)], evidence };
}

type Fleet = { sends: SendRecord[]; evidence: Evidence };

/** The rules that a forged copy of the good fleet breaks, each once. */
function rulesBroken(forge: (fleet: ReturnType<typeof goodFleet>) => Partial<Evidence> | Fleet): string[] {
  const good = goodFleet();
  const forged = forge(good);
  const fleet = "evidence" in forged ? forged : { ...good, evidence: { ...good.evidence, ...forged } };
  return [...new Set(judge(fleet.sends, fleet.evidence).map(({ rule }) => rule))];
}

/** The evidence with the second server's files changed. */
const withB = (fleet: ReturnType<typeof goodFleet>, change: Partial<ServerEvidence>): Partial<Evidence> => ({
  servers: fleet.evidence.servers.map((one) => (one.server === "b" ? { ...one, ...change } : one)),
});

test("judge() finds nothing wrong with a fleet that kept its promises", () => {
  expect(rulesBroken(() => ({}))).toEqual([]);
});

test("judge() asks nothing of a send that was told nothing", () => {
  const broken = rulesBroken(({ sends, evidence }) => ({
    sends: [...sends, sent("killed", 30, "nothing")],
    evidence,
  }));
  expect(broken).toEqual([]);
});

for (const told of ["pushed", "queued"] as const) {
  test(`judge() finds a lost message that was acknowledged as ${told}`, () => {
    const broken = rulesBroken(({ sends, evidence }) => ({
      sends: [...sends, sent("three", 30, told)],
      evidence,
    }));
    expect(broken).toEqual(["lost"]);
  });
}

test('judge() finds a "pushed" that was said before it was true', () => {
  const broken = rulesBroken(({ evidence }) => ({
    servers: evidence.servers.map((one) =>
      one.server === "a" ? { ...one, outbox: [pushed("a-1"), pushed("a-2", 99), pushed("a-3")] } : one,
    ),
  }));
  expect(broken).toEqual(["lied"]);
});

test("judge() finds one text under two ids", () => {
  const broken = rulesBroken(({ evidence, sends }) => ({
    sends,
    evidence: {
      ...evidence,
      entries: [...logOf("a", [{ body: "one" }, { body: "two" }, { body: "two" }]), ...logOf("b", [answer])],
      servers: evidence.servers.map((one) =>
        one.server === "b" ? { ...one, inbox: inboxOf(2, 3, 4) } : one,
      ),
    },
  }));
  expect(broken).toEqual(["twice"]);
});

test("judge() finds one id twice", () => {
  const entries = [...logOf("a", [{ body: "one" }, { body: "two", id: "a-2" }]), ...logOf("b", [answer])];
  expect(rulesBroken((fleet) => ({ entries, ...withB(fleet, { inbox: inboxOf(2) }) }))).toEqual(["twice"]);
});

for (const [what, place, change] of [
  ["a gap", 2, { seq: 4 }],
  ["a wrong prev", 1, { prev: "other" }],
  ["a change of epoch without a key", 2, { epoch: "f" }],
  ["an entry in a stranger's log", 2, { from: "c" }],
  ["a log without a key", 0, { type: "message" }],
] as const) {
  test(`judge() finds ${what}`, () => {
    const broken = rulesBroken(({ evidence }) => ({
      entries: evidence.entries.map((entry, at) => (at === place ? { ...entry, ...change } : entry)),
    }));
    expect(broken).toContain("chain");
  });
}

test("judge() finds a later send that stands earlier", () => {
  const broken = rulesBroken(({ evidence, sends: [one, two] }) => ({
    sends: [sent(one?.body ?? "", 20), sent(two?.body ?? "", 10)],
    evidence,
  }));
  expect(broken).toEqual(["order"]);
});

test("judge() lets sends that overlapped stand either way", () => {
  const broken = rulesBroken(({ evidence, sends }) => ({
    sends: sends.map((send) => ({ ...send, startedWallMs: 10, endedWallMs: 30 })),
    evidence,
  }));
  expect(broken).toEqual([]);
});

test("judge() finds a message that nobody asked for", () => {
  expect(rulesBroken(({ evidence, sends: [one] }) => ({ sends: one ? [one] : [], evidence }))).toEqual([
    "invented",
  ]);
});

test("judge() finds an automatic answer to nothing", () => {
  const stray = { ...answer, inReplyTo: "nowhere" };
  const broken = rulesBroken(({ evidence }) => ({
    entries: [...evidence.entries.slice(0, 3), ...logOf("b", [stray])],
  }));
  expect(broken).toContain("invented");
});

test("judge() finds a message that was answered twice", () => {
  const entries = [...logOf("a", [{ body: "one" }, { body: "two" }]), ...logOf("b", [answer, answer])];
  const inbox = [2, 3].map((seq) => ({ id: `b-${seq}`, from: "b", seq }));
  const broken = rulesBroken(({ evidence }) => ({
    entries,
    servers: evidence.servers.map((one) => (one.server === "a" ? { ...one, inbox } : one)),
  }));
  expect(broken).toContain("handled-twice");
});

test("judge() finds an answer that the journal knows and the remote does not", () => {
  const journal = [
    { from: "a", id: "a-2", reply: "b-2" },
    { from: "a", id: "a-3", reply: "b-3" },
  ];
  expect(rulesBroken((fleet) => withB(fleet, { journal }))).toEqual(["answer-lost"]);
});

test("judge() finds an answer that no journal knows", () => {
  expect(rulesBroken((fleet) => withB(fleet, { journal: [] }))).toEqual(["invented"]);
});

for (const [rule, inbox] of [
  ["not-delivered", inboxOf(2)],
  ["delivered-twice", inboxOf(2, 3, 3)],
  ["invented", [...inboxOf(2, 3), { id: "other", from: "c", seq: 1 }]],
  ["inbox-order", inboxOf(3, 2)],
] as const) {
  test(`judge() finds in an inbox: ${rule}`, () => {
    expect(rulesBroken((fleet) => withB(fleet, { inbox }))).toContain(rule);
  });
}

test("judge() finds what still waits and what was quarantined", () => {
  const outbox = [pushed("b-1"), { id: "b-2", state: "built", pushedWallMs: null }];
  const broken = rulesBroken((fleet) => withB(fleet, { outbox, quarantined: ["a: signature wrong"] }));
  expect(broken).toEqual(["waiting", "quarantined"]);
});

test("judge() finds damage, locks and processes that were left behind", () => {
  const left = { fsck: ["missing blob"], locks: ["a.lock"], processes: ["git 1"] };
  expect(rulesBroken(() => left)).toEqual(["fsck", "lock", "process"]);
});

/** The handler of b was given "two" and did it once. */
const goodWork = {
  wanted: ["a-3"],
  began: ["a-3"],
  ended: ["a-3"],
  rows: [{ id: "a-3", state: "done" }],
  receipts: ["a-3"],
  runsMax: 1,
};

test("judge() finds nothing wrong with a handler that did everything once, or was put aside", () => {
  expect(rulesBroken((fleet) => withB(fleet, { work: goodWork }))).toEqual([]);
  const parked = { ...goodWork, ended: [], rows: [{ id: "a-3", state: "parked" }], receipts: [] };
  expect(rulesBroken((fleet) => withB(fleet, { work: parked }))).toEqual([]);
});

for (const [what, rule, change] of [
  ["a run more than the rule allows", "handled-twice", { began: ["a-3", "a-3"] }],
  ["a second receipt", "handled-twice", { receipts: ["a-3", "a-3"] }],
  ["a message that was never given to the handler", "not-handled", { rows: [], began: [], ended: [] }],
  ["a run that never ended", "not-handled", { rows: [{ id: "a-3", state: "started" }] }],
  ["a run that is done and that nobody did", "not-handled", { ended: [] }],
  ["a run that is done without a receipt", "not-handled", { receipts: [] }],
  ["a run that nobody asked for", "invented", { began: ["a-3", "a-9"] }],
] as const) {
  test(`judge() finds ${what}`, () => {
    const work = { ...goodWork, ...change };
    expect(rulesBroken((fleet) => withB(fleet, { work }))).toEqual([rule]);
  });
}

test("judge() finds more automatic messages than the schedule allows", () => {
  const { sends, evidence } = goodFleet();
  expect(judge(sends, evidence, { automaticMax: 1 })).toEqual([]);
  expect(judge(sends, evidence, { automaticMax: 0 }).map(({ rule }) => rule)).toEqual(["storm"]);
});

test("describe() counts each rule and gives an example", () => {
  const lost = (detail: string) => ({ rule: "lost", detail }) as const;
  expect(describe([lost("x"), lost("y"), { rule: "fsck", detail: "z" }])).toBe("lost 2 (x); fsck 1 (z)");
});
