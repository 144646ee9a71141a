import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type Answer, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually, pauseAfter } from "../helpers/temp-git.ts";

// Three servers, each with a configuration of its own: two are in @db at first, one is not.
const fleet = new TempFleet();
const configOf = (server: string): string => `${fleet.git.folder}/${server}.yaml`;
const configure = (server: string, text: string): void => writeFileSync(configOf(server), text);
const as = (server: string) => ({ as: server, env: { FLEETD_CONFIG: configOf(server) } });
const messagesOf = (answer: Answer): Answer[] => answer["messages"] as Answer[];
const monitors: Running[] = [];

const send = async (body: string, ...words: string[]): Promise<string> =>
  String((await fleet.json(["send", body, ...words], as("one")))["id"]);
const inboxOf = async (server: string, ...words: string[]): Promise<unknown[]> =>
  messagesOf(await fleet.json(["inbox", "--limit", "100", ...words], as(server))).map(({ id }) => id);
const groupsSeenBy = async (server: string): Promise<unknown> =>
  (await fleet.json(["groups"], as(server)))["groups"];
/** Asks again until the answer is `expected`: news come with the next look of a daemon. */
async function becomes(ask: () => Promise<unknown>, expected: unknown): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const askedMs = performance.now();
    const answer = await ask();
    if (Bun.deepEquals(answer, expected)) return;
    if (performance.now() > deadlineMs) expect(answer).toEqual(expected);
    await pauseAfter(askedMs, 50);
  }
}

beforeAll(async () => {
  configure("one", "labels:\n  role: sender\n");
  configure("two", "groups: [db]\nlabels:\n  role: primary\n  constructor: x\n");
  configure("three", "groups: [db, web]\n");
  configure("four", "interval: 10s\n");
  for (const [position, server] of ["one", "two", "three", "four"].entries()) {
    const remote = position === 0 ? [] : ["--remote", `${fleet.root}/remote.git`];
    await fleet.text(["init", "--server", server, ...remote], as(server));
  }
});
afterAll(() => fleet.remove());

describe("without a daemon", () => {
  test("init put the groups on the card", async () => {
    expect(await groupsSeenBy("one")).toEqual([
      { group: "db", servers: ["three", "two"] },
      { group: "web", servers: ["three"] },
    ]);
  });

  test("a message to a group reaches its members and nobody else", async () => {
    const id = await send("to the databases", "--to", "@db");
    expect(await inboxOf("two")).toContain(id);
    expect(await inboxOf("three")).toContain(id);
    expect(await inboxOf("four")).not.toContain(id);
  });

  test("a group without a member is named, and the message is sent", async () => {
    const ran = await fleet.run(["send", "anybody?", "--to", "@nobody,two"], as("one"));
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('no server is known to be in "@nobody" yet');
    expect(ran.stderr).not.toContain("two");
    expect((await fleet.run(["send", "you", "--to", "@db"], as("one"))).stderr).toBe("");
  });

  test("servers shows groups, labels and presence, and filters by both", async () => {
    const servers = async (...words: string[]): Promise<Answer[]> =>
      (await fleet.json(["servers", ...words], as("one")))["servers"] as Answer[];
    const [two] = (await servers()).filter(({ server }) => server === "two");
    expect(two).toMatchObject({ groups: ["db"], presence: "online" });
    expect(two?.["labels"]).toEqual({ role: "primary", constructor: "x" });
    const names = async (...words: string[]) => (await servers(...words)).map(({ server }) => server);
    expect(await names("--group", "web")).toEqual(["three"]);
    expect(await names("--group", "@db")).toEqual(["three", "two"]);
    expect(await names("--label", "role=primary")).toEqual(["two"]);
    expect(await names("--label", "role", "--group", "web")).toEqual([]);
    expect(await fleet.text(["servers"], as("one"))).toMatch(/^two +online +\S.*role=primary/m);
  });

  test("a server whose card is older than two heartbeats is silent, by the reader's own settings", async () => {
    const env = { ...as("one").env, FLEETD_HEARTBEAT_EVERY: "1ms", FLEETD_HEARTBEAT_IDLE: "0" };
    const answer = await fleet.json(["servers"], { as: "one", env });
    const states = (answer["servers"] as Answer[]).map(({ presence }) => presence);
    expect(states).toEqual(["silent", "silent", "silent"]);
  });
});

describe("with a daemon", () => {
  test("membership changes with a reload, and the fleet sees it", async () => {
    for (const server of ["one", "two", "four"]) {
      monitors.push(await fleet.monitor(server, ["--no-auto-reply"], as(server)));
    }
    configure("four", "groups: [db]\n");
    configure("two", "groups: []\n");
    for (const server of ["two", "four"]) {
      expect((await fleet.run(["reload"], as(server))).stdout).toStartWith("groups: ");
    }
    await becomes(
      () => groupsSeenBy("one"),
      [
        { group: "db", servers: ["four", "three"] },
        { group: "web", servers: ["three"] },
      ],
    );
    const id = await send("to the new databases", "--to", "@db");
    const arrived = async (): Promise<boolean> => (await inboxOf("four")).includes(id);
    const deadlineMs = performance.now() + 30_000;
    while (!(await arrived()) && performance.now() < deadlineMs) await Bun.sleep(50);
    expect(await arrived()).toBe(true);
    expect(await inboxOf("three")).toContain(id);
    // Whatever two has seen of it, it is not to two: a later message shows that it has looked.
    const later = await send("to two", "--to", "two");
    await becomes(async () => (await inboxOf("two")).includes(later), true);
    expect(await inboxOf("two")).not.toContain(id);
  });

  test("send warns about a group without a member through the daemon too", async () => {
    const ran = await fleet.run(["send", "x", "--to", "@nobody", "--wait", "queued"], as("one"));
    expect(ran.stderr).toContain('no server is known to be in "@nobody" yet');
  });

  test("filters by label, kind, date and recipient", async () => {
    const blue = await send("blue", "--to", "four", "--label", "colour=blue", "--kind", "warning");
    const red = await send("red", "--to", "four", "--label", "colour=red");
    await becomes(async () => (await inboxOf("four")).includes(red), true);
    expect(await inboxOf("four", "--label", "colour=blue")).toEqual([blue]);
    expect(await inboxOf("four", "--label", "colour")).toEqual([red, blue]);
    expect(await inboxOf("four", "--label", "colour", "--kind", "warning", "--since", "1h")).toEqual([blue]);
    expect(await inboxOf("four", "--label", "__proto__")).toEqual([]);
    expect(await inboxOf("four", "--since", "2999-01-01")).toEqual([]);
    const sent = async (...words: string[]) =>
      messagesOf(await fleet.json(["sent", ...words], as("one"))).map(({ id }) => id);
    expect(await sent("--label", "colour=red")).toEqual([red]);
    expect(await sent("--to", "four", "--kind", "warning")).toEqual([blue]);
    expect(await sent("--to", "@db")).not.toContain(red);
    expect(await sent("--since", "2999-01-01T00:00Z")).toEqual([]);
    const waited = await fleet.json(["wait", "--unread", "--label", "colour=red"], as("four"));
    expect(waited["message"]).toMatchObject({ id: red });
    const watch = fleet.start(["watch", "--label", "colour=blue", "--since", "1h", "--json"], as("four"));
    expect(await eventually(() => watch.stdout().includes(blue), 60_000)).toBe(true);
    expect(watch.stdout()).not.toContain(red);
    await watch.stop();
  });

  test.each([
    [["inbox", "--since", "2026-02-30"], "there is no such day"],
    [["inbox", "--since", "yesterday"], "use a duration or a date"],
    [["inbox", "--from", "A b"], "need a server id"],
    [["sent", "--label", "=x"], "need NAME or NAME=VALUE"],
  ])("%j is refused with 64", async (words, message) => {
    const ran = await fleet.run(words, as("one"));
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toContain(message);
  });
});
