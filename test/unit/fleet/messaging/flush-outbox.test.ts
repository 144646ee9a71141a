import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { flushOutbox } from "../../../../src/fleet/messaging/flush-outbox.ts";
import { loadIdentity } from "../../../../src/fleet/messaging/identity.ts";
import { loadHead, outboxItem, unpushedBatches } from "../../../../src/fleet/messaging/outbox.ts";
import { listOwnAlarms } from "../../../../src/fleet/messaging/own-alarms.ts";
import { loadCardState } from "../../../../src/fleet/messaging/publish-card.ts";
import { keepWaitingClock, PLAUSIBLE_MS } from "../../../../src/fleet/messaging/waiting-clock.ts";
import {
  FACTS,
  MemoryFleet,
  type MemoryServer,
  PATIENTLY,
  strangersCommit,
} from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const tipOnRemote = (): string | undefined => fleet.remote.refs.get(me.logRef);
const cardOnRemote = (): string | undefined => fleet.remote.refs.get(me.cardRef);
const commitsOf = (tip: string | undefined) => me.store.listCommits(tip ?? "", null, 1000);
const builtTips = (): string[] => unpushedBatches(me.state).map((batch) => batch.commitId);

describe("flushOutbox()", () => {
  test("pushes log and card together and confirms what arrived", async () => {
    const pushes = fleet.remote.pushes.length;
    const ids = [me.queue({ to: ["code2"] }), me.queue({ to: ["code2"] })];
    expect(await me.flush()).toEqual({ status: "pushed", entries: 2, notices: [] });
    expect(fleet.remote.pushes.length).toBe(pushes + 1);
    expect(fleet.remote.pushes.at(-1)?.map((update) => update.ref)).toEqual([
      "refs/fleet/meta",
      me.logRef,
      me.cardRef,
    ]);
    expect(ids.map((id) => outboxItem(me.state, id)?.state)).toEqual(["pushed", "pushed"]);
    expect(tipOnRemote()).toBe(loadHead(me.state)?.tip ?? "");
  });

  test("makes no call when nothing waits and no card is wanted", async () => {
    const { calls } = fleet.remote;
    expect(await me.flush(false)).toEqual({ status: "pushed", entries: 0, notices: [] });
    expect(fleet.remote.calls).toBe(calls);
  });

  test("publishes a card alone, and leaves the log as it is", async () => {
    const [tip, card] = [tipOnRemote(), cardOnRemote()];
    expect(await me.flush()).toEqual({ status: "pushed", entries: 0, notices: [] });
    expect(tipOnRemote()).toBe(tip ?? "");
    expect(cardOnRemote()).not.toBe(card ?? "");
  });

  test("keeps everything while the remote is away, and sends it in order when it is back", async () => {
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no route to host" };
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      ids.push(me.queue({ to: ["code2"] }));
      expect(await me.flush()).toMatchObject({ status: "waiting", failure: { kind: "unreachable" } });
    }
    expect(builtTips()).toHaveLength(3);
    fleet.remote.troubles.outage = null;
    expect(await me.flush()).toEqual({ status: "pushed", entries: 3, notices: [] });
    expect(ids.map((id) => outboxItem(me.state, id)?.seq)).toEqual([2, 3, 4]);
    expect(await commitsOf(tipOnRemote())).toHaveLength(4);
  });

  test("pushes a batch byte-identical after its answer was lost", async () => {
    const id = me.queue({ to: ["code2"] });
    fleet.remote.troubles.nextAnswersLost = 1;
    expect((await me.flush()).status).toBe("waiting");
    const [built] = builtTips();
    expect(tipOnRemote()).toBe(built ?? "");
    expect(outboxItem(me.state, id)?.state).toBe("built");
    await fleet.clock.advance(60_000);
    expect((await me.flush()).status).toBe("pushed");
    expect(tipOnRemote()).toBe(built ?? "");
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
  });

  test("after a lost answer what was queued meanwhile continues the same chain", async () => {
    me.queue({ to: ["code2"] });
    fleet.remote.troubles.nextAnswersLost = 1;
    await me.flush();
    const [built] = builtTips();
    me.queue({ to: ["code2"] });
    await me.flush();
    const commits = await commitsOf(tipOnRemote());
    expect(commits.at(-1)?.parents).toEqual([built ?? ""]);
  });

  test("adopts the own card that arrived although the answer was lost, and counts on above it", async () => {
    fleet.remote.troubles.nextAnswersLost = 1;
    await me.flush();
    const arrived = cardOnRemote();
    const { n, commitId } = loadCardState(me.sendPorts);
    expect(commitId).not.toBe(arrived ?? "");
    expect((await me.flush()).status).toBe("pushed");
    expect(loadCardState(me.sendPorts)).toMatchObject({ n: n + 2, commitId: cardOnRemote() ?? "" });
    expect(cardOnRemote()).not.toBe(arrived ?? "");
  });

  test("pushes again when the own log vanished from the remote", async () => {
    const tip = tipOnRemote();
    fleet.remote.put(me.logRef, [], null);
    fleet.remote.put(me.cardRef, [], null);
    expect((await me.flush()).status).toBe("pushed");
    expect(tipOnRemote()).toBe(tip ?? "");
  });

  test("pushes again when the own log was rewound", async () => {
    const before = tipOnRemote() ?? "";
    await me.send({ to: ["code2"] });
    const tip = tipOnRemote();
    fleet.remote.put(me.logRef, [], before);
    expect((await me.flush()).status).toBe("pushed");
    expect(tipOnRemote()).toBe(tip ?? "");
  });

  test("stands beside what somebody else put on its log, and forces nothing", async () => {
    const before = tipOnRemote() ?? "";
    const stranger = strangersCommit({ "entries.jsonl": toUtf8("{}\n") }, before);
    fleet.remote.put(me.logRef, stranger.all, stranger.commitId);
    const id = me.queue({ to: ["code2"] });
    expect(await me.flush()).toMatchObject({ status: "pushed", entries: 1 });
    const [last] = await me.store.listCommits(tipOnRemote() ?? "", before, 1);
    expect(last?.parents).toEqual([before, stranger.commitId]);
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toMatchObject([
      { kind: "stranger", held: false, endedWallMs: expect.any(Number) },
    ]);
  });

  test("replaces a card that somebody else wrote", async () => {
    const stranger = strangersCommit({ "card.json": toUtf8("{}"), "card.sig": toUtf8("x") }, null);
    fleet.remote.put(me.cardRef, stranger.all, stranger.commitId);
    expect(await me.flush()).toMatchObject({ status: "pushed" });
    expect(cardOnRemote()).not.toBe(stranger.commitId);
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toMatchObject([{ kind: "card", held: false }]);
  });

  test("ends with NOT_AUTHORISED when another machine with the same id joined first", async () => {
    const twins = [await fleet.join("code2"), await fleet.join("code2")] as const;
    await twins[0].flush();
    const tip = fleet.remote.refs.get(twins[0].logRef);
    expect(await twins[1].flush().catch((reason: unknown) => reason)).toMatchObject({
      code: "NOT_AUTHORISED",
    });
    expect(fleet.remote.refs.get(twins[0].logRef)).toBe(tip ?? "");
    expect(loadIdentity(twins[1].state)?.server).toBe("code2");
  });

  test("switches to a chain of cards where the host refuses to replace them, and stays with it", async () => {
    const first = cardOnRemote();
    fleet.remote.refuseReplacing("refs/fleet/state/");
    const id = me.queue({ to: ["code2"] });
    expect((await me.flush()).status).toBe("pushed");
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
    expect(loadCardState(me.sendPorts).mode).toBe("chain");
    expect((await commitsOf(cardOnRemote())).map((commit) => commit.id)[0]).toBe(first ?? "");
    const pushes = fleet.remote.pushes.length;
    expect((await me.flush()).status).toBe("pushed");
    expect(fleet.remote.pushes.length).toBe(pushes + 1);
    expect(await commitsOf(cardOnRemote())).toHaveLength(3);
  });

  test("continues a chain of cards whose last answer was lost", async () => {
    fleet.remote.refuseReplacing("refs/fleet/state/");
    await me.flush();
    fleet.remote.troubles.nextAnswersLost = 1;
    expect((await me.flush()).status).toBe("waiting");
    expect((await me.flush()).status).toBe("pushed");
  });

  test("says the host's own reason when the log itself is refused, and what was refused", async () => {
    const id = me.queue({ to: ["code2"] });
    fleet.remote.troubles.refuse = (ref) => (ref.includes("/log/") ? "repository is over quota" : null);
    const outcome = await me.flush();
    expect(outcome).toMatchObject({ status: "refused", ids: [id], dead: 0, card: false });
    expect(outcome.status === "refused" && outcome.reason).toContain("over quota");
    expect(outboxItem(me.state, id)).toMatchObject({ state: "queued", refused: 1 });
  });

  test("counts what nobody answered for everything that waits, and kills nothing", async () => {
    fleet.remote.troubles.outage = { kind: "no-repository", detail: "not there\nadvice" };
    const ids = [me.queue({ to: ["code2"] }), me.queue({ to: ["code2"] })];
    for (let count = 0; count < 9; count += 1) await me.flush();
    const states = ids.map((id) => outboxItem(me.state, id));
    const waits = { state: "built", unreachable: 9, refused: 0, reason: "no-repository: not there" };
    expect(states).toMatchObject([waits, waits]);
  });

  test("does not count a push that ended because its caller did", async () => {
    const id = me.queue({ to: ["code2"] });
    const stopped = { ...PATIENTLY, signal: AbortSignal.abort(), card: true, rules: me.rules };
    await flushOutbox(me.sendPorts, FACTS, stopped);
    expect(outboxItem(me.state, id)).toMatchObject({ unreachable: 0 });
  });

  test("never sends what waited longer than it may, and sends the rest", async () => {
    const late = me.queue({ to: ["code2"], expiresInMs: 1000 });
    const other = me.queue({ to: ["code2"] });
    await fleet.clock.advance(1001);
    expect(await me.flush()).toMatchObject({ status: "pushed", entries: 1 });
    expect([late, other].map((id) => outboxItem(me.state, id)?.state)).toEqual(["expired", "pushed"]);
  });

  test("lets a message without an end of its own wait for as long as the rules say", async () => {
    const id = me.queue({ to: ["code2"] });
    const { expires } = me.rules.queue;
    for (let passedMs = 0; passedMs < expires; passedMs += PLAUSIBLE_MS) {
      await fleet.clock.advance(Math.min(PLAUSIBLE_MS, expires - passedMs - 1));
      keepWaitingClock(me.state, fleet.clock.wallMs());
    }
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no route to host" };
    await me.flush();
    expect(outboxItem(me.state, id)?.state).toBe("built");
    await fleet.clock.advance(1);
    // It may be on the remote, for all that is known, and nobody answers: it is not called expired.
    await me.flush();
    expect(outboxItem(me.state, id)?.state).toBe("built");
    fleet.remote.troubles.outage = null;
    const tip = tipOnRemote();
    expect(await me.flush()).toMatchObject({ status: "pushed", entries: 0 });
    expect(outboxItem(me.state, id)?.state).toBe("expired");
    expect(tipOnRemote()).toBe(tip ?? "");
  });

  test("calls nothing expired that arrived although its answer was lost", async () => {
    const id = me.queue({ to: ["code2"], expiresInMs: 1000 });
    fleet.remote.troubles.nextAnswersLost = 1;
    await me.flush();
    await fleet.clock.advance(2000);
    expect(await me.flush()).toMatchObject({ status: "pushed", entries: 1 });
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
  });

  test("tries again, with pauses that grow, while refs are locked", async () => {
    fleet.remote.troubles.nextBusy = 3;
    const slept = fleet.clock.sleptMs.length;
    expect((await me.flush()).status).toBe("pushed");
    expect(fleet.clock.sleptMs.slice(slept)).toEqual([40, 80, 160]);
  });

  test("gives up for now when refs stay locked", async () => {
    fleet.remote.troubles.nextBusy = 1000;
    const pushes = fleet.remote.pushes.length;
    const outcome = await me.flush();
    expect(outcome.status === "waiting" && outcome.failure.detail).toContain("locked or keep moving");
    expect(fleet.remote.pushes.length - pushes).toBe(6);
  });

  test("removes the lock that its own killed push left, after its minute", async () => {
    me.queue({ to: ["code2"] });
    fleet.remote.locks.set(me.logRef, fleet.clock.wallMs() - 61_000);
    expect((await me.flush()).status).toBe("pushed");
    expect(fleet.remote.locks.size).toBe(0);
  });

  test("confirms no entry that was queued after the push began", async () => {
    me.queue({ to: ["code2"] });
    let late = "";
    fleet.remote.troubles.beforePush = () => {
      fleet.remote.troubles.beforePush = () => undefined;
      late = me.queue({ to: ["code2"] });
    };
    await me.flush();
    expect(outboxItem(me.state, late)?.state).toBe("queued");
  });

  test("gives the caller's deadline and signal to the remote", async () => {
    const stopped = { ...PATIENTLY, signal: AbortSignal.abort(), card: true, rules: me.rules };
    expect(await flushOutbox(me.sendPorts, FACTS, stopped)).toMatchObject({
      status: "waiting",
      failure: { kind: "timeout" },
    });
  });
});
