import { describe, expect, test } from "bun:test";
import { FleetError } from "../../../src/base/errors.ts";
import { strictGroup, toTable } from "../../../src/cli/command-table.ts";
import { runCli } from "../../../src/cli/run-cli.ts";
import { type Outcome, strictCommand } from "../../../src/cli/strict-command.ts";
import { captureConsole } from "../../helpers/captured-console.ts";

const { stdout, stderr } = captureConsole();

const entry = (name: string, run: () => Outcome) => ({
  summary: `About ${name}`,
  load: () => Promise.resolve(strictCommand({ meta: { name, description: `About ${name}` }, run })),
});
const servers = strictGroup({
  meta: { name: "servers", description: "Servers" },
  fallback: "list",
  commands: { list: entry("servers list", () => Promise.resolve(3)) },
});
const queue = strictGroup({
  meta: { name: "queue", description: "Queue" },
  commands: { retry: entry("queue retry", () => Promise.resolve()) },
});
const TABLE = toTable({
  status: entry("status", () => Promise.resolve()),
  health: entry("health", () => Promise.resolve(2)),
  refused: entry("refused", () =>
    Promise.reject<undefined>(new FleetError("UNAVAILABLE", "Cannot reach it")),
  ),
  broken: entry("broken", () => Promise.reject<undefined>(new TypeError("oops"))),
  servers: { summary: "Servers", load: () => Promise.resolve(servers) },
  queue: { summary: "Queue", load: () => Promise.resolve(queue) },
});

const run = (...argv: string[]) => runCli(argv, TABLE);

describe("runCli() gives the exit code", () => {
  test.each([
    [["status"], 0],
    [["health"], 2],
    [["servers"], 3],
    [["servers", "--json"], 3],
    [["servers", "list"], 3],
    [["refused"], 69],
    [["broken"], 70],
    [["queue"], 64],
    [["status", "surplus"], 64],
    [["status", "--bogus"], 64],
    [["toString"], 64],
    [["--json"], 64],
    [["--", "status"], 64],
    [["help", "bogus"], 64],
    [["--version", "surplus"], 64],
  ])("runCli() ends %j with %p", async (argv, exitCode) => {
    expect(await run(...argv)).toBe(exitCode);
  });
});

describe("runCli() prints help on stdout", () => {
  test.each([
    [[], "Usage: fleetd COMMAND"],
    [["--help"], "Exit codes"],
    [["-h"], "Exit codes"],
    [["help"], "Exit codes"],
    [["help", "version"], "Exit codes"],
    [["version", "--help"], "Exit codes"],
    [["help", "status"], "Usage: fleetd status [flags]"],
    [["status", "--bogus", "--help"], "Usage: fleetd status [flags]"],
    [["status", "-h"], "Usage: fleetd status [flags]"],
    [["queue", "--help"], "Usage: fleetd queue COMMAND"],
    [["help", "queue", "retry"], "Usage: fleetd queue retry [flags]"],
    [["servers", "-h"], "Usage: fleetd servers [COMMAND]"],
  ])("runCli() answers %j", async (argv, expected) => {
    expect(await run(...argv)).toBe(0);
    expect(stdout()).toContain(expected);
    expect(stderr()).toBe("");
  });
});

describe("runCli() prints failures on stderr", () => {
  test("runCli() says what was meant", async () => {
    await run("statsu");
    expect(stderr()).toStartWith('fleetd: Unknown command "statsu", did you mean "status"?\n  hint: ');
    expect(stdout()).toBe("");
  });

  test("runCli() prints one JSON object even where the line cannot be understood", async () => {
    await run("--bogus", "refused", "--json");
    expect(JSON.parse(stderr())).toMatchObject({ schema: "fleetd.error/1", code: "USAGE", exit: 64 });
  });

  test("runCli() prints one JSON object with --json", async () => {
    await run("refused", "--json");
    expect(JSON.parse(stderr())).toMatchObject({ code: "UNAVAILABLE", exit: 69, message: "Cannot reach it" });
  });
});
