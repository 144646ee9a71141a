// Rules and handlers as an operator meets them: two servers, a real remote, programs in Python and shell.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Answer, isAlive, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually, pauseAfter } from "../helpers/temp-git.ts";

const WAIT_MS = 60_000;
const TEST_MS = 240_000;
const isPosix = process.platform !== "win32";
if (!isPosix) console.log("skipped: handlers in Python and shell: they need a POSIX system");

const fleet = new TempFleet();
const examples = join(import.meta.dir, "../../docs/examples");
const fixtures = join(import.meta.dir, "../helpers/fixtures/handlers");
const files = fleet.git.path("seen");
const late = fleet.git.path("late-program");
const at = (name: string): string => join(files, name);
const config = fleet.git.path("fleetd.yaml");
const CONFIG = `
handlers: { concurrency: 2, retry: 10ms, attempts: 3, grace: 100ms }
auto_reply: { per_thread: 1000, per_peer: 1000, per_host: 1000 }
rules:
  - { name: disk, match: { body: disk }, run: [${examples}/handler.py] }
  - { name: note, match: { subject: note }, run: [${examples}/handler.sh] }
  - { name: stubborn, match: { subject: stubborn }, run: [${fixtures}/stubborn.sh, ${at("stubborn")}], timeout: 4s }
  - { name: flood, match: { subject: flood }, run: [${fixtures}/flood.py] }
  - { name: overlap, match: { subject: overlap }, run: [${fixtures}/overlap.sh, ${at("overlap")}] }
  - { name: record, match: { labels: record }, run: [python3, ${fixtures}/record.py, ${at("record")}, "a b", "$HOME"] }
  - { name: deaf, match: { subject: deaf }, run: ["true"] }
  - { name: again, match: { subject: again }, run: [${fixtures}/count.sh, ${at("again")}, "0", "75"] }
  - { name: late, match: { subject: late }, run: [${late}] }
  - { name: long, match: { subject: long }, run: [${fixtures}/count.sh, ${at("long")}, "60"] }
  - { name: paused, match: { subject: paused }, run: [${fixtures}/count.sh, ${at("paused")}] }
  - { name: thanks, match: { kind: update, from: "b*s" }, reply: "{from}, {server} got {subject} {nothing}" }
  - { name: seen, match: { priority: high }, ack: true }
  - { name: quiet, match: { subject: hush }, ignore: true }
  - { name: echo, match: { subject: echo }, run: [cat] }
`;

let monitors: Running[] = [];
const start = async (): Promise<void> => {
  // Something of a caller's environment that would make a program of Bun something else.
  const env = { BUN_OPTIONS: "--smol", SECRET_OF_DAEMON: "x" };
  monitors = [
    await fleet.monitor("worker", ["--config", config, "--json"], { env }),
    await fleet.monitor("boss", ["--config", config]),
  ];
};
const stop = async (): Promise<void> => {
  await Promise.all(monitors.map((monitor) => monitor.stop()));
};
beforeAll(async () => {
  mkdirSync(files);
  writeFileSync(config, CONFIG);
  await fleet.init(["boss", "worker"]);
  await start();
}, TEST_MS);
afterAll(() => fleet.remove(), TEST_MS);

/** Sends to the worker, the body through a pipe, since it may be longer and stranger than a word; the message's id. */
const send = async (body: string, subject: string, ...words: string[]): Promise<string> => {
  const options = { as: "boss", stdin: body };
  return String((await fleet.json(["send", ...words, "--to", "worker", "-", subject], options))["id"]);
};

interface Sent {
  readonly id: string;
  readonly recipients: readonly { readonly state: string; readonly exitCode: number | null }[];
}
interface Run {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly reason: string;
  readonly exit_code: number | null;
}

/** Asks until `read` answers something; undefined when it never did. */
async function waitFor<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  const deadlineMs = performance.now() + WAIT_MS;
  for (;;) {
    const askedMs = performance.now();
    const found = await read();
    if (found !== undefined || performance.now() > deadlineMs) return found;
    await pauseAfter(askedMs, 20);
  }
}

/** The exit code that the sender was told, once it was. */
const handled = (id: string): Promise<number | undefined> =>
  waitFor(async () => {
    const { messages } = (await fleet.json(["sent", "--limit", "200"], { as: "boss" })) as unknown as {
      messages: Sent[];
    };
    return messages.find((one) => one.id === id)?.recipients[0]?.exitCode ?? undefined;
  });
const thread = async (id: string): Promise<Answer[]> =>
  ((await fleet.json(["thread", id], { as: "boss" }))["messages"] as Answer[]).slice(1);
const replyTo = (id: string): Promise<Answer | undefined> => waitFor(async () => (await thread(id))[0]);
const runs = async (): Promise<Run[]> =>
  (await fleet.json(["handlers", "--limit", "500"], { as: "worker" }))["runs"] as Run[];
const runOf = (id: string, state: string): Promise<Run | undefined> =>
  waitFor(async () => (await runs()).find((run) => run.id === id && run.state === state));
const lines = (name: string): string[] =>
  existsSync(at(name)) ? readFileSync(at(name), "utf8").split("\n").slice(0, -1) : [];

describe.skipIf(!isPosix)("handlers", () => {
  test(
    "the examples of the documentation answer, and their exit codes reach the sender",
    async () => {
      const disk = await send("disk /", "how much is free");
      expect((await replyTo(disk))?.["body"]).toMatch(/^\/: \d+ MiB of \d+ MiB free$/);
      const refused = await send("say disk", "x");
      expect((await replyTo(refused))?.["body"]).toBe("I understand: disk [PATH]");
      const note = await send("milk", "a note");
      expect(await replyTo(note)).toMatchObject({
        body: "kept, 1 in all, the last one from boss: a note",
        auto: true,
        hops: 1,
        in_reply_to: note,
        kind: "response",
      });
      expect([await handled(disk), await handled(refused), await handled(note)]).toEqual([0, 3, 0]);
      const shown = await fleet.text(["sent"], { as: "boss" });
      expect(shown).toContain("handled(0)");
      expect(shown).toContain("handled(3)");
      expect(await fleet.text(["read", refused], { as: "boss" })).toMatch(/^worker +handled\(3\)/m);
    },
    TEST_MS,
  );

  test(
    "one that takes too long is ended with everything it started, also what ignores TERM",
    async () => {
      const id = await send("x", "stubborn");
      expect(await handled(id)).toBe(124);
      const pids = lines("stubborn").map(Number);
      expect(pids).toHaveLength(2);
      expect(pids.filter(isAlive)).toEqual([]);
      expect(await thread(id)).toEqual([]);
      expect(await runOf(id, "done")).toMatchObject({ reason: "it ran too long and was ended" });
    },
    TEST_MS,
  );

  test(
    "an answer has a bound, and is text whatever was written",
    async () => {
      const id = await send("x", "flood");
      const body = String((await replyTo(id))?.["body"]);
      expect(body).toStartWith("\ufffdx\ufffdx");
      expect(body).toEndWith("\n[cut here: the handler wrote more]");
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(256 * 1024);
      expect(body.length).toBeLessThanOrEqual(64 * 1024 + 40);
      expect(await handled(id)).toBe(0);
      // What is after the last line break may be half of a line.
      const told = (): string[] =>
        monitors[0]
          ?.stdout()
          .split("\n")
          .slice(0, -1)
          .filter((line) => line.includes('"rule":"flood"')) ?? [];
      await eventually(() => told().length > 0, WAIT_MS);
      const events = told();
      const event = JSON.parse(events.at(-1) ?? "{}") as { stderr: string };
      expect(event.stderr.length).toBe(8192);
    },
    TEST_MS,
  );

  test(
    "no more run at once than may, and all of them run",
    async () => {
      const sends = Array.from({ length: 8 }, () => send("x", "overlap", "--wait", "queued"));
      const ids = await Promise.all(sends);
      for (const id of ids) expect(await handled(id)).toBe(0);
      let [running, most] = [0, 0];
      for (const line of lines("overlap")) {
        running += line === "+" ? 1 : -1;
        most = Math.max(most, running);
      }
      expect([most, lines("overlap").length]).toEqual([2, 16]);
    },
    TEST_MS,
  );

  test(
    "what a message says never reaches a shell, and the environment is small and clean",
    async () => {
      const subject = `$(touch ${at("pwned")}); \`touch ${at("pwned")}\` | & > ' " () { :;}; -rf`;
      const body = `'; touch ${at("pwned")} #\n\u0000\u001b]0;x\u0007 \${IFS} $(id)`;
      const id = await send(body, subject, "--label", "record=$(id)");
      expect((await replyTo(id))?.["body"]).toBe(subject);
      expect(existsSync(at("pwned"))).toBe(false);
      const seen = JSON.parse(readFileSync(at("record"), "utf8")) as {
        input: string;
        environment: Record<string, string>;
        words: string[];
        cwd: string;
        files: string[];
      };
      const facts = {
        server: "worker",
        rule: "record",
        attempt: 1,
        kind: "info",
        priority: "normal",
        thread: id,
      };
      expect(JSON.parse(seen.input)).toMatchObject({ id, from: "boss", subject, body, ...facts });
      expect(seen.words).toEqual(["a b", "$HOME"]);
      expect(seen.files).toEqual([]);
      expect(seen.cwd).toStartWith(join(fleet.root, "worker", "handlers"));
      expect(existsSync(seen.cwd)).toBe(false);
      const { environment } = seen;
      expect(environment).toMatchObject({
        FLEETD_MESSAGE_ID: id,
        FLEETD_FROM: "boss",
        FLEETD_SERVER: "worker",
        FLEETD_RULE: "record",
        FLEETD_ATTEMPT: "1",
        FLEETD_SUBJECT: subject,
        FLEETD_HOME: fleet.root,
        HOME: fleet.git.home,
      });
      const others = Object.keys(environment).filter((name) => !/^FLEETD_|^LC_/.test(name));
      // A shim of python3 may add names of its own; nothing of the daemon's own environment is among them.
      expect(others).toEqual(expect.arrayContaining(["HOME", "PATH", "TMPDIR"]));
      expect(Object.keys(environment).filter((name) => /^BUN_|SECRET/.test(name))).toEqual([]);
    },
    TEST_MS,
  );

  test(
    "one that does not read its message is no trouble, however long that is",
    async () => {
      const id = await send("x".repeat(250_000), "deaf", "--wait", "queued");
      expect(await handled(id)).toBe(0);
    },
    TEST_MS,
  );

  test(
    "one that says 75 is run again, so often and no more, and then that is its result",
    async () => {
      const id = await send("x", "again");
      expect(await handled(id)).toBe(75);
      expect(lines("again").map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual(
        [1, 2, 3].map((n) => `${id} ${n}`),
      );
      expect(await runOf(id, "done")).toMatchObject({ attempts: 3, reason: "gave up after 3 attempts" });
      expect(await thread(id)).toHaveLength(1);
    },
    TEST_MS,
  );

  test(
    "one whose program is missing is parked and shown until somebody has seen to it",
    async () => {
      const id = await send("x", "late");
      expect((await runOf(id, "parked"))?.reason).toBe(`no program "${late}" that may be run`);
      expect(await fleet.text(["status"], { as: "worker" })).toContain("parked handler run");
      expect((await fleet.text(["handlers"], { as: "worker" })).split("\n")[1]).toContain("parked");
      writeFileSync(late, "#!/bin/sh\necho at last\n");
      chmodSync(late, 0o755);
      await fleet.text(["handlers", "retry", id.slice(-8)], { as: "worker" });
      expect((await replyTo(id))?.["body"]).toBe("at last");
      expect(await handled(id)).toBe(0);
      const again = await fleet.run(["handlers", "retry", id], { as: "worker" });
      expect([again.code, again.stderr]).toEqual([65, expect.stringContaining("its run is done")]);
      expect((await fleet.run(["handlers", "retry", "ffffffff"], { as: "worker" })).code).toBe(65);
      expect(await fleet.run(["handlers", "retry", "xyz"], { as: "worker" })).toMatchObject({
        code: 64,
        stderr: expect.stringContaining('Cannot read id "xyz": need at least 4 characters'),
      });
    },
    TEST_MS,
  );

  test(
    "servers whose handlers answer each other fall silent",
    async () => {
      const id = await send("hello", "echo");
      const reply = await replyTo(id);
      expect(reply).toMatchObject({ from: "worker", auto: true, hops: 1 });
      expect(String(reply?.["subject"])).toBe("Re: echo");
      // The answer matches a rule of the boss as well, and was looked at: its reading comes before the next answer's.
      const next = await send("hello", "echo");
      await replyTo(next);
      expect([(await thread(id)).length, (await thread(next)).length]).toEqual([1, 1]);
      expect((await fleet.json(["handlers"], { as: "boss" }))["runs"]).toEqual([]);
    },
    TEST_MS,
  );
});

describe.skipIf(!isPosix)("rules", () => {
  test(
    "a rule answers with a text, acknowledges, or leaves alone",
    async () => {
      const thanks = await send("done", "the release", "--kind", "update");
      expect((await replyTo(thanks))?.["body"]).toBe("boss, worker got the release {nothing}");
      const high = await send("x", "y", "--priority", "high");
      await fleet.text(["send", "--to", "worker", "--wait", "queued", "--kind", "request", "x", "hush"], {
        as: "boss",
      });
      const state = await waitFor(async () => {
        const { messages } = (await fleet.json(["sent"], { as: "boss" })) as unknown as { messages: Sent[] };
        const found = messages.find((one) => one.id === high)?.recipients[0]?.state;
        return found === "acked" ? found : undefined;
      });
      expect(state).toBe("acked");
      expect((await fleet.json(["inbox", "--limit", "99"], { as: "worker" }))["messages"]).toEqual(
        expect.arrayContaining([expect.objectContaining({ id: high, acked: true, read: false })]),
      );
    },
    TEST_MS,
  );

  test(
    "rules test shows what the rules would do, and does nothing",
    async () => {
      const words = ["rules", "test", "--config", config, "--limit", "200"];
      const before = await runs();
      const answer = await fleet.json(words, { as: "worker" });
      const tried = answer["messages"] as Answer[];
      const bySubject = (subject: string) => tried.find((one) => one["subject"] === subject);
      expect(bySubject("flood")).toMatchObject({
        rule: "flood",
        act: "run",
        command: [`${fixtures}/flood.py`],
      });
      expect(bySubject("the release")).toMatchObject({
        act: "answer",
        reply: "boss, worker got the release {nothing}",
      });
      expect(bySubject("y")).toMatchObject({ rule: "seen", act: "ack" });
      expect(bySubject("hush")).toMatchObject({ rule: "quiet", act: "nothing", silence: "ignored" });
      const one = await fleet.json([...words, "--message", String(bySubject("hush")?.["id"])], {
        as: "worker",
      });
      expect(one["messages"]).toHaveLength(1);
      expect((await fleet.json([...words, "--from", "nobody"], { as: "worker" }))["messages"]).toEqual([]);
      // Without the file the same messages fall under the rule that every server has.
      const plain = (await fleet.json(["rules", "test"], { as: "worker" }))["messages"] as Answer[];
      expect(plain.find((row) => row["subject"] === "hush")).toMatchObject({
        rule: "status",
        act: "answer",
        reply: "(live status)",
      });
      expect(await runs()).toEqual(before);
      expect(await fleet.text(words, { as: "worker" })).toContain("nothing: ignored");
    },
    TEST_MS,
  );

  test("rules lists the rules in their order, the one that every server has last", async () => {
    const shown = await fleet.text(["rules", "--config", config]);
    const names = shown.split("\n").map((line) => line.split(" ")[0]);
    expect([names[0], names[1], names.at(-2)]).toEqual(["RULE", "disk", "status"]);
    const json = await fleet.json(["rules", "list", "--config", config]);
    expect(json).toMatchObject({ schema: "fleetd.rules/1", default_rule: true });
    expect((json["rules"] as Answer[])[0]).toMatchObject({ name: "disk", match: { body: ["disk"] } });
  });

  test("a wrong rule is refused with its line and 78", async () => {
    const wrong = fleet.git.path("wrong.yaml");
    writeFileSync(
      wrong,
      "rules:\n  - name: a\n    ack: true\n  - name: a\n    match: { subjekt: x }\n    run: [./x]\n",
    );
    const ran = await fleet.run(["rules", "--config", wrong]);
    expect(ran.code).toBe(78);
    expect(ran.stderr).toContain('line 5: unknown key "rules.1.match.subjekt"');
    expect(ran.stderr).toContain("subject");
    expect(ran.stderr).toContain("line 6: rules.1.run: need an absolute path");
  });

  test(
    "pause auto stops everything at once and across a restart, and what came meanwhile is not answered later",
    async () => {
      await fleet.text(["pause", "auto"], { as: "worker" });
      const [update, request, work] = [
        await send("x", "in the pause", "--kind", "update"),
        await send("how are you?", "in the pause"),
        await send("x", "paused"),
      ];
      expect(await runOf(work, "queued")).toMatchObject({ attempts: 0 });
      expect(await fleet.text(["status"], { as: "worker" })).toContain("everything automatic is paused");
      await stop();
      await start();
      expect(await runOf(work, "queued")).toMatchObject({ attempts: 0 });
      expect(await fleet.json(["resume", "auto"], { as: "worker" })).toMatchObject({ was_paused: true });
      expect(await handled(work)).toBe(0);
      expect((await replyTo(work))?.["body"]).toBe("counted");
      expect([await thread(update), await thread(request)]).toEqual([[], []]);
      const next = await send("how are you?", "after the pause");
      expect((await replyTo(next))?.["body"]).toContain("worker has been up for");
      const short = await fleet.json(["pause", "auto", "--for", "10ms"], { as: "worker" });
      expect(short).toMatchObject({ paused: true, until: expect.any(String) });
      expect(await fleet.json(["resume", "auto"], { as: "worker" })).toMatchObject({ was_paused: false });
      expect(await fleet.run(["pause", "auto", "--for", "0"], { as: "worker" })).toMatchObject({
        code: 64,
        stderr: expect.stringContaining("Cannot pause for 0 seconds"),
      });
    },
    TEST_MS,
  );

  test(
    "a daemon that is stopped gives handlers a moment, ends them, and says so",
    async () => {
      const id = await send("x", "long");
      expect(await eventually(() => lines("long").length === 1, WAIT_MS)).toBe(true);
      const pid = Number(lines("long")[0]?.split(" ")[2]);
      await stop();
      expect(isAlive(pid)).toBe(false);
      expect(await runOf(id, "parked")).toMatchObject({ reason: "the daemon was stopped while it ran" });
    },
    TEST_MS,
  );
});

test("the page about handlers shows the examples as they are run here", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/handlers.md"), "utf8");
  for (const name of ["handler.py", "handler.sh"]) {
    expect(page).toContain(readFileSync(join(examples, name), "utf8").trim());
  }
});

test("the rules of the page about handlers are rules", async () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/handlers.md"), "utf8");
  const file = fleet.git.path("page.yaml");
  writeFileSync(file, /```yaml\n(.*?)```/s.exec(page)?.[1] ?? "");
  const rules = (await fleet.json(["rules", "--config", file]))["rules"] as Answer[];
  expect(rules.map((rule) => rule["name"])).toEqual(["deploy", "thanks", "seen", "quiet"]);
});
