// A monitor that becomes another program in its own process, as an operator has it: the executable is replaced by a
// rename, `fleetd reexec`, and nobody else notices. The one idea: everything runs on while it happens (a flood of lines,
// messages, others who want the place), and afterwards it is counted.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { machinePaths, serverPaths } from "../../src/platform/paths.ts";
import { findFault, numbersIn } from "../helpers/numbered-lines.ts";
import { fixtureWords, Programs } from "../helpers/program.ts";
import { type Answer, FLEETD, isAlive, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { allProcesses, eventually, untilHolds } from "../helpers/temp-git.ts";

const WITHIN_MS = 120_000;
/** At 3,000 in a second they last longer than three replacements. */
const LINES = 60_000;
const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: replacing a monitor in place (Linux alone can)");

const fleet = new TempFleet();
const programs = new Programs();
const folder = fleet.temporary;
/** What the monitors are started from, and what is replaced. */
const program = join(folder, "fleetd");
const starts = join(folder, "starts");

/** Puts a file in the place of the executable as installers do. */
function install(from: string): void {
  copyFileSync(from, `${program}.new`);
  chmodSync(`${program}.new`, 0o755);
  renameSync(`${program}.new`, program);
}

/** A file in the place of the executable that is a script. */
function installScript(text: string): void {
  writeFileSync(`${program}.new`, text, { mode: 0o755 });
  renameSync(`${program}.new`, program);
}

const reexec = (server = "a") => fleet.run(["reexec"], { as: server });

async function services(): Promise<Map<string, Answer>> {
  const { services: list } = await fleet.json(["list"]);
  return new Map((list as Answer[]).map((one) => [String(one["name"]), one]));
}

const O_CLOEXEC = 0o2_000_000;

/**
 * What of a process must not grow: its descriptors by kind, those that a next program would have, signals, limits.
 * Files of /proc come and go with the processes of the machine.
 */
function stateOf(pid: number): Record<string, unknown> {
  const files: Record<string, number> = {};
  const inherited: string[] = [];
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    const target = linkOf(`/proc/${pid}/fd/${name}`);
    const kind = target.replace(/:\[\d+\]$|-(?:wal|shm)$/, "");
    if (target !== CLOSED && !kind.startsWith("/proc/")) files[kind] = (files[kind] ?? 0) + 1;
    const flags = /^flags:\s*(\d+)$/m.exec(textOf(`/proc/${pid}/fdinfo/${name}`))?.[1] ?? String(O_CLOEXEC);
    if ((Number.parseInt(flags, 8) & O_CLOEXEC) === 0) inherited.push(`${name} ${target}`);
  }
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    files,
    inherited,
    signals: status.match(/^Sig(?:Blk|Ign|Cgt):.*$/gm) ?? [],
    limits: readFileSync(`/proc/${pid}/limits`, "utf8"),
  };
}

/** What was closed since it was listed. */
const CLOSED = "closed meanwhile";

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return CLOSED;
  }
}

/** Processes that ended and that nobody asked about. */
const zombiesOf = (pid: number): number[] =>
  allProcesses()
    .filter((one) => one.parent === pid && one.state === "Z")
    .map((one) => one.pid);

/** The state of a monitor that just began once it has opened everything: nothing is opened or closed for a while. */
async function settled(pid: number): Promise<Record<string, unknown>> {
  let last = stateOf(pid);
  let sinceMs = performance.now();
  await eventually(() => {
    const now = stateOf(pid);
    if (!Bun.deepEquals(now, last)) sinceMs = performance.now();
    last = now;
    return performance.now() - sinceMs > 3_000;
  }, WITHIN_MS);
  return last;
}

/** Does `work` again and again until it is told to stop; answers the results. */
function again<T>(work: (count: number) => Promise<T>): { stop(): Promise<T[]> } {
  let isOver = false;
  const running = (async () => {
    const results: T[] = [];
    while (!isOver) results.push(await work(results.length));
    return results;
  })();
  return {
    stop() {
      isOver = true;
      return running;
    },
  };
}

describe.skipIf(!isLinux)("reexec", () => {
  let monitor: Running;

  beforeAll(async () => {
    await fleet.init(["a", "b"]);
    install(FLEETD);
    monitor = await fleet.monitor("a", ["--interval", "1s"], { program });
  }, WITHIN_MS);
  afterAll(async () => {
    await fleet.run(["stop", "--all", "--now"]);
    await fleet.remove();
  }, WITHIN_MS);

  afterEach(() => programs.end());

  /** Starts a service that notes each of its starts. */
  const start = (name: string, flags: readonly string[], command: string): Promise<string> =>
    fleet.text([
      "start",
      "--name",
      name,
      ...flags,
      "--",
      "sh",
      "-c",
      `echo ${name} >> ${starts}; ${command}`,
    ]);

  test("three times keeps pid, services, lines, messages and locks, and nothing is done twice", async () => {
    const flood = fixtureWords("flood", "0", String(LINES), "3000").join(" ");
    await start("flood", [], `exec ${flood}`);
    await start("seven", ["--restart", "no"], `while [ ! -e ${folder}/end ]; do sleep 0.1; done; exit 7`);
    await start("quiet", [], "exec sleep 1000");
    await start("stubborn", [], "trap '' TERM; while :; do sleep 0.2; done");
    const file = join(folder, "probed.yaml");
    writeFileSync(join(folder, "ready"), "");
    const probed = `echo probed >> ${starts}; exec sleep 1000`;
    const exec = ["test", "-e", join(folder, "ready")];
    writeFileSync(
      file,
      `services:\n  probed:\n    command: ${JSON.stringify(["sh", "-c", probed])}\n    probes:\n      readiness: { exec: ${JSON.stringify(exec)}, interval: 200ms }\n`,
    );
    await fleet.text(["start", file]);
    await untilHolds(async () => (await services()).get("probed")?.["ready"] === true, WITHIN_MS);
    const before = await services();
    expect([...before.values()].every((one) => one["state"] === "running")).toBe(true);

    // It would take the machine over as soon as that is free.
    await fleet.monitor("b", ["--interval", "1s"]);
    const { daemonLock, machineLock } = serverPaths(fleet.root, "a");
    const probers = [daemonLock, machineLock].map((path) =>
      programs.start(fixtureWords("lock-prober", path)),
    );
    for (const prober of probers) expect(await prober.line()).toBe("asking");
    const rivals = again(() => fleet.run(["monitor"], { as: "a" }));
    const messages = again((count) => fleet.run(["send", String(count), "--to", "b"], { as: "a" }));
    const lists = again(() => fleet.run(["list", "--json"]));

    for (let round = 0; round < 3; round += 1) {
      install(FLEETD);
      const ran = await fleet.json(["reexec"], { as: "a" });
      expect(ran).toMatchObject({ schema: "fleetd.reexec/1", server: "a", pid: monitor.pid });
    }

    const codes = async (runs: { stop(): Promise<{ code: number; stderr: string }[]> }) => {
      const ended = await runs.stop();
      return {
        codes: new Set(ended.map(({ code }) => code)),
        count: ended.length,
        first: ended.find(({ code }) => code !== 0)?.stderr,
      };
    };
    const [tried, sent, listed] = [await codes(rivals), await codes(messages), await codes(lists)];
    expect(tried.codes).toEqual(new Set([69]));
    expect({ ...sent, codes: [...sent.codes] }).toMatchObject({ codes: [0], first: undefined });
    expect({ ...listed, codes: [...listed.codes] }).toMatchObject({ codes: [0], first: undefined });
    let asked = 0;
    for (const prober of probers) {
      prober.endInput();
      const count = JSON.parse(await prober.line()) as { given: number; refused: number };
      expect(count.given).toBe(0);
      asked += count.refused;
    }
    console.log(
      `3 times in place: ${sent.count} messages sent meanwhile, ${listed.count} lists, ${tried.count} other monitors and ${asked} tries of a lock refused`,
    );

    const after = await services();
    for (const [name, one] of before) {
      // On a slow machine it has said everything by now.
      if (name === "flood" && after.get(name)?.["state"] !== "running") continue;
      expect([name, after.get(name)?.["pid"], after.get(name)?.["restarts"]]).toEqual([name, one["pid"], 0]);
    }
    expect(after.get("probed")?.["ready"]).toBe(true);
    const replaced = (): number => monitor.stdout().split("replaced ").length - 1;
    await eventually(() => replaced() >= 2 * 3, WITHIN_MS);
    expect(replaced()).toBe(2 * 3);
    expect(fleet.isRunning(monitor.pid)).toBe(true);
    writeFileSync(join(folder, "end"), "");
    await untilHolds(async () => (await services()).get("seven")?.["state"] !== "running", WITHIN_MS);
    const seven = (await services()).get("seven");
    expect(seven?.["last_end"]).toMatchObject({ reason: "code", text: expect.stringContaining("7") });

    const log = join(machinePaths(fleet.root).services, "flood");
    await eventually(() => numbersIn(log).length >= LINES, WITHIN_MS);
    expect(findFault(numbersIn(log), LINES)).toBeNull();
    expect(readFileSync(starts, "utf8").trim().split("\n").sort()).toEqual([
      "flood",
      "probed",
      "quiet",
      "seven",
      "stubborn",
    ]);
    const arrived = async (): Promise<string[]> => {
      const { messages: list } = await fleet.json(["inbox", "--limit", "10000"], { as: "b" });
      return (list as Answer[]).map((one) => String(one["body"]));
    };
    await untilHolds(async () => (await arrived()).length >= sent.count, WITHIN_MS);
    expect((await arrived()).map(Number).sort((left, right) => left - right)).toEqual(
      Array.from({ length: sent.count }, (_, index) => index),
    );
  }, 300_000);

  test("five times changes nothing in descriptors, signals and limits, and leaves no zombie", async () => {
    await fleet.text(["stop", "--all", "--now"]);
    await start("resting", [], "exec sleep 1000");
    // What is looked at is a monitor that was replaced: a first one has a handle of Bun on a service, not its own.
    expect((await reexec()).code).toBe(0);
    const before = await settled(monitor.pid);
    for (let round = 0; round < 5; round += 1) {
      const ran = await reexec();
      expect(ran.stderr).toContain(`The monitor (pid ${monitor.pid}) is being replaced`);
      expect(ran.code).toBe(0);
    }
    await eventually(() => Bun.deepEquals(stateOf(monitor.pid), before), WITHIN_MS);
    expect(stateOf(monitor.pid)).toEqual(before);
    await eventually(() => zombiesOf(monitor.pid).length === 0, WITHIN_MS);
    expect(zombiesOf(monitor.pid)).toEqual([]);
  }, 300_000);

  test("knows how each service ended that ended while it happened", async () => {
    const count = 24;
    const go = join(folder, "go");
    for (let index = 0; index < count; index += 1) {
      const command = `while [ ! -e ${go} ]; do sleep 0.05; done; sleep ${(index / count).toFixed(2)}; exit ${index + 10}`;
      await start(`ends-${index}`, ["--restart", "no"], command);
    }
    writeFileSync(go, "");
    expect((await reexec()).code).toBe(0);
    expect((await reexec()).code).toBe(0);
    const ends = async (): Promise<unknown[]> => {
      const list = await services();
      return Array.from({ length: count }, (_, index) => list.get(`ends-${index}`)?.["last_end"] ?? null);
    };
    await untilHolds(async () => !(await ends()).includes(null), WITHIN_MS);
    expect((await ends()).map((end) => (end as Answer)["text"])).toEqual(
      Array.from({ length: count }, (_, index) => `exit code ${index + 10}`),
    );
    await eventually(() => zombiesOf(monitor.pid).length === 0, WITHIN_MS);
    expect(zombiesOf(monitor.pid)).toEqual([]);
  }, 300_000);

  test("is not ended by those who want the configuration to be read again", async () => {
    const hangups = again(async () => {
      process.kill(monitor.pid, "SIGHUP");
      await Bun.sleep(50);
    });
    for (let round = 0; round < 2; round += 1) expect((await reexec()).code).toBe(0);
    await hangups.stop();
    await monitor.printed("configured");
    expect(fleet.isRunning(monitor.pid)).toBe(true);
  }, 300_000);

  describe("goes on as before and says why", () => {
    test.each([
      ["a text", () => installScript("this is no program\n"), 65, "does not start"],
      ["another program", () => install("/bin/echo"), 65, "does not say its version"],
      [
        "an executable that was cut",
        () => {
          install(FLEETD);
          truncateSync(program, Math.floor(statSync(FLEETD).size * 0.95));
        },
        65,
        `by "${program}"`,
      ],
      ["nothing", () => rmSync(program), 65, "does not start"],
      [
        "a fleetd that does not take the configuration",
        () =>
          installScript(
            `#!/bin/sh\n[ "$1" != config ] || { echo "interval: no" >&2; exit 78; }\nexec ${FLEETD} "$@"\n`,
          ),
        78,
        "interval: no",
      ],
    ])(
      "%s",
      async (_, put, code, words) => {
        const before = await services();
        put();
        const ran = await reexec();
        expect({ code: ran.code, stderr: ran.stderr }).toEqual({
          code,
          stderr: expect.stringContaining(words),
        });
        const after = await services();
        expect(after.get("resting")?.["pid"]).toBe(before.get("resting")?.["pid"]);
        expect(fleet.isRunning(monitor.pid)).toBe(true);
      },
      60_000,
    );

    test("also when everything was closed already: with its locks, and knowing how its own children end", async () => {
      const go = join(folder, "end-2");
      install(FLEETD);
      expect((await reexec()).code).toBe(0);
      await start("child", ["--restart", "no"], `while [ ! -e ${go} ]; do sleep 0.05; done; exit 42`);
      const prober = programs.start(fixtureWords("lock-prober", serverPaths(fleet.root, "a").daemonLock));
      await prober.line();
      for (const [script, why] of [
        ['[ "$1" != config ] || chmod -x "$0"', "permission denied"],
        ['touch "$0"', "it changed after it was tried"],
      ]) {
        installScript(`#!/bin/sh\n${script}\nexec ${FLEETD} "$@"\n`);
        const ran = await reexec();
        expect({ code: ran.code, stderr: ran.stderr }).toEqual({
          code: 1,
          stderr: expect.stringContaining(why ?? ""),
        });
        await monitor.printed(`not replaced  ${why}`);
        const configured = (): number => monitor.stdout().split("configured").length;
        const before = configured();
        process.kill(monitor.pid, "SIGHUP");
        await eventually(() => configured() > before, WITHIN_MS);
        expect(configured()).toBe(before + 1);
      }
      expect((await services()).get("child")?.["state"]).toBe("running");
      writeFileSync(go, "");
      await untilHolds(async () => (await services()).get("child")?.["state"] !== "running", WITHIN_MS);
      expect((await services()).get("child")?.["last_end"]).toMatchObject({ text: "exit code 42" });
      prober.endInput();
      expect(JSON.parse(await prober.line())).toMatchObject({ given: 0 });
      install(FLEETD);
      expect((await reexec()).code).toBe(0);
      expect(fleet.isRunning(monitor.pid)).toBe(true);
    }, 300_000);
  });

  test("goes on as the server that it was, also when another one was made since", async () => {
    const other = new TempFleet();
    try {
      await other.init(["only"]);
      const bare = other.start(["monitor", "--interval", "1s"]);
      await bare.printed("ready");
      await other.init(["more"], `${other.root}/remote.git`);
      const ran = await other.run(["reexec"], { as: "only" });
      expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
      expect(other.isRunning(bare.pid)).toBe(true);
      expect(await other.json(["status"], { as: "only" })).toMatchObject({ server: "only" });
    } finally {
      await other.remove();
    }
  }, 60_000);

  test("without a monitor is refused", async () => {
    await fleet.init(["c"], `${fleet.root}/remote.git`);
    const ran = await reexec("c");
    expect(ran).toMatchObject({ code: 69, stdout: "" });
    expect(ran.stderr).toContain("none runs there");
  }, 60_000);

  test("and what was replaced stops like any monitor, and its services run on", async () => {
    await start("last", [], "exec sleep 1000");
    expect((await reexec()).code).toBe(0);
    const last = (await services()).get("last")?.["pid"];
    expect((await monitor.stop()).code).toBe(143);
    expect(isAlive(Number(last))).toBe(true);
    monitor = await fleet.monitor("a", ["--interval", "1s"]);
  }, 60_000);
});
