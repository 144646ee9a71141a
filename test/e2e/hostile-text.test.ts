// Text of strangers never reaches a terminal raw: escape sequences, direction overrides, control and invisible
// characters in subjects, bodies, ref names and the remote's own words, in every command that shows them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FLEETD, type RunningMonitor, until, WireFleet } from "../helpers/wire-fleet.ts";
import { WireWriter } from "../helpers/wire-writer.ts";

const TIMEOUT_MS = 60_000;
const isPosix = process.platform !== "win32";

/** Sets the clipboard and the title, asks the terminal for words, rings, clears the screen, colours (7 and 8 bit), turns the direction, hides, splits lines. */
const HOSTILE =
  "MARK\u001B]52;c;b3duZWQ=\u0007\u001BP$qm\u001B\\\u001B[6n\u001B]0;owned\u0007\u001B[2J\u001B[38;5;201m\u009B31m\u0085\u007F\b\u202Egnp.exe\u2066\u200B\u2028\u2029\uFEFF\u{E0041}\u00AD";
/** What must not be in any output. Lines end with LF, on a terminal with CR LF; colours are off here. */
const RAW = /[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\uFFF9-\uFFFB]/u;

/** Commands that show something of a fleet, and whether the text of a message is part of it. */
const SHOWS: Readonly<Record<string, boolean>> = {
  inbox: true,
  read: true,
  thread: true,
  status: true,
  // The card of the stranger says so.
  servers: true,
  groups: false,
  sent: false,
  queue: false,
  health: false,
  doctor: false,
  logs: false,
  metrics: false,
  handlers: false,
  "rules list": false,
  "rules test": true,
  "config show": false,
  network: false,
};

const fleet = new WireFleet();
let id = "";
const streams: Stream[] = [];

interface Stream {
  readonly name: string;
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

beforeAll(async () => {
  fleet.environment["NO_COLOR"] = "1";
  for (const server of ["alpha", "beta", "gamma", "delta"]) await fleet.json(server, "init");
  streams.push(named("monitor", await fleet.startMonitor("alpha", "--interval", "1")));
  streams.push(named("monitor --json", await fleet.startMonitor("beta", "--interval", "1", "--json")));
  if (isPosix) streams.push(startOnTerminal("gamma", "monitor", "--interval", "1"));
  if (isPosix) streams.push(startOnTerminal("delta", "monitor", "--interval", "1", "--json"));
  streams.push(startPiped("alpha", "watch"), startPiped("alpha", "watch", "--json"));
  if (isPosix) streams.push(startOnTerminal("alpha", "watch"), startOnTerminal("alpha", "watch", "--json"));
  const writer = new WireWriter(fleet, "rogue").join();
  // A watch says nothing before its first message, so a plain one is sent until every stream has shown some.
  let polls = 0;
  await until(() => {
    if (polls % 10 === 0) writer.push([writer.message("all", "hello.", { subject: "hello" })]);
    polls += 1;
    return streams.every((stream) => stream.output().includes("hello"));
  }, "every stream shows a message");
  const fields = { subject: HOSTILE, labels: { note: HOSTILE }, kind: "info" };
  writer.push([writer.message("all", `${HOSTILE}\n${HOSTILE}`, fields)]);
  const health = { status: HOSTILE, summary: HOSTILE };
  writer.pushCard(writer.card(1, { version: HOSTILE, labels: { note: HOSTILE }, health }));
  const last = JSON.parse(fleet.gitText("show", `${writer.logRef}:entries.jsonl`)) as { id: string };
  id = last.id;
  fleet.git(["update-ref", "refs/fleet/log/\u202Egnp", writer.tips()[0] ?? ""]);
  const commit = writer.commit({ "entries.jsonl": new Uint8Array([0x7b, 0x0a]) }, writer.tips(), HOSTILE);
  fleet.git(["update-ref", writer.logRef, commit]);
  await until(() => streams.every((stream) => stream.output().includes("MARK")), "every stream shows it");
}, TIMEOUT_MS);

afterAll(async () => {
  await Promise.all(streams.map((stream) => stream.stop()));
  await fleet.remove();
}, TIMEOUT_MS);

const named = (name: string, monitor: RunningMonitor): Stream => ({
  name,
  output: monitor.output,
  stop: monitor.stop,
});

const environmentOf = (server: string): Record<string, string> => ({
  ...fleet.environment,
  FLEETD_SERVER: server,
});

function startPiped(server: string, ...words: readonly string[]): Stream {
  const child = Bun.spawn([FLEETD, ...words], {
    env: environmentOf(server),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) output += decoder.decode(bytes, { stream: true });
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
    await collected;
  };
  return { name: words.join(" "), output: () => output, stop };
}

function startOnTerminal(server: string, ...words: readonly string[]): Stream & { exited: Promise<number> } {
  const decoder = new TextDecoder();
  let output = "";
  const child = Bun.spawn([FLEETD, ...words], {
    env: environmentOf(server),
    terminal: {
      cols: 200,
      rows: 50,
      data: (_, bytes) => {
        output += decoder.decode(bytes, { stream: true });
      },
    },
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
    child.terminal?.close();
  };
  return {
    name: `${words.join(" ")} on a terminal`,
    output: () => output.replaceAll("\r\n", "\n"),
    stop,
    exited: child.exited,
  };
}

/** The first character of `output` that a terminal must not get, with what is around it; null when all is well. */
function rawIn(output: string): string | null {
  const at = output.replaceAll("\n", " ").search(RAW);
  return at === -1 ? null : JSON.stringify(output.slice(Math.max(0, at - 60), at + 20));
}

/** Runs a command piped and on a terminal, and returns both outputs, stdout and stderr together. */
async function outputsOf(server: string, words: readonly string[]): Promise<string[]> {
  const ran = await fleet.run(server, ...words);
  const outputs = [ran.stdout + ran.stderr];
  if (isPosix) {
    const shown = startOnTerminal(server, ...words);
    await shown.exited;
    const enough = ran.stdout.trim().length > 0 || ran.stderr.trim().length > 0;
    if (enough) await until(() => shown.output().length > 0, `${words.join(" ")} on a terminal prints`);
    outputs.push(shown.output());
    await shown.stop();
  }
  return outputs;
}

describe("hostile text", () => {
  for (const [verb, shows] of Object.entries(SHOWS)) {
    for (const json of [[], ["--json"]]) {
      const name = [verb, ...json].join(" ");
      test(
        `of a message is never raw in ${name}`,
        async () => {
          const words = [...verb.split(" "), ...json, ...(["read", "thread"].includes(verb) ? [id] : [])];
          const outputs = await outputsOf("alpha", words);
          const isShown = outputs.every((output) => output.includes("MARK"));
          expect([outputs.map(rawIn), isShown]).toEqual([outputs.map(() => null), shows]);
        },
        TIMEOUT_MS,
      );
    }
  }

  test("of a message is never raw in what monitor and watch print", () => {
    const raw = streams.map((stream) => [stream.name, rawIn(stream.output())]);
    expect(raw).toEqual(streams.map((stream) => [stream.name, null]));
  });

  test("of a ref's name is shown by status, made visible", async () => {
    const answer = await fleet.run("alpha", "status");
    expect(answer.stdout).toContain("<U+202E>gnp");
  });

  test.if(isPosix)(
    "of the remote itself is never raw in send, monitor and status",
    async () => {
      const hook = join(fleet.remote, "hooks", "pre-receive");
      mkdirSync(join(fleet.remote, "hooks"), { recursive: true });
      writeFileSync(join(fleet.folder, "words"), `${HOSTILE}\n`);
      writeFileSync(hook, `#!/bin/sh\ncat "${join(fleet.folder, "words")}" >&2\nexit 1\n`);
      chmodSync(hook, 0o755);
      await fleet.json("alpha", "send", "will be refused", "--to", "beta", "--wait", "queued");
      const [monitor] = streams;
      await until(() => monitor?.output().includes("refused") === true, "the monitor says so");
      await fleet.json("beta", "send", "will be refused", "--to", "alpha", "--wait", "queued");
      await until(() => streams[1]?.output().includes('"refused"') === true, "the other monitor, too");
      const outputs = [
        ...(await outputsOf("alpha", ["status"])),
        ...(await outputsOf("alpha", ["status", "--json"])),
        ...(await outputsOf("alpha", ["queue"])),
        ...(await outputsOf("alpha", ["queue", "--json"])),
        ...(await outputsOf("alpha", ["logs"])),
        ...(await outputsOf("alpha", ["doctor"])),
        ...(await outputsOf("alpha", ["send", "one", "--to", "beta", "--timeout", "1"])),
        ...streams.map((stream) => stream.output()),
      ];
      expect([outputs.map(rawIn), outputs[4]?.includes("MARK")]).toEqual([outputs.map(() => null), true]);
      rmSync(hook);
    },
    TIMEOUT_MS,
  );

  test.if(isPosix)(
    "of the remote itself is never raw in a send without a monitor",
    async () => {
      await fleet.json("epsilon", "init");
      const hook = join(fleet.remote, "hooks", "pre-receive");
      writeFileSync(hook, `#!/bin/sh\ncat "${join(fleet.folder, "words")}" >&2\nexit 1\n`);
      chmodSync(hook, 0o755);
      const words = ["send", "one", "--to", "beta", "--timeout", "2"];
      const outputs = [
        ...(await outputsOf("epsilon", words)),
        ...(await outputsOf("epsilon", [...words, "--json"])),
      ];
      rmSync(hook);
      expect(outputs.map(rawIn)).toEqual(outputs.map(() => null));
    },
    TIMEOUT_MS,
  );
});
