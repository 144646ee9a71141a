import { describe, expect, test } from "bun:test";
import { findCommand, strictGroup, toTable } from "../../../src/cli/command-table.ts";
import { strictCommand } from "../../../src/cli/strict-command.ts";

const named = (name: string) =>
  strictCommand({ meta: { name, description: name }, run: () => Promise.resolve() });

const loaded: string[] = [];
const entry = (name: string) => ({
  summary: name,
  load: () => {
    loaded.push(name);
    return Promise.resolve(named(name));
  },
});
const servers = strictGroup({
  meta: { name: "servers", description: "Who is in the fleet" },
  fallback: "list",
  commands: { list: entry("servers list"), forget: entry("servers forget") },
});
const queue = strictGroup({
  meta: { name: "queue", description: "What waits" },
  commands: { retry: entry("queue retry") },
});
const TABLE = toTable({
  send: { ...entry("send"), aliases: ["sm"] },
  status: entry("status"),
  servers: { summary: "servers", load: () => Promise.resolve(servers) },
  queue: { summary: "queue", load: () => Promise.resolve(queue) },
});

const find = async (...argv: string[]) => {
  const found = await findCommand(TABLE, argv);
  return found === undefined ? undefined : [found.command.meta.name, ...found.rest];
};

describe("findCommand()", () => {
  test("findCommand() loads the named command and nothing else", async () => {
    loaded.length = 0;
    expect(await find("send", "hi", "--to", "x")).toEqual(["send", "hi", "--to", "x"]);
    expect(loaded).toEqual(["send"]);
  });

  test("findCommand() steps over global flags and their values", async () => {
    expect(await find("--json", "--server", "web1", "send", "hi")).toEqual([
      ...["send", "--json", "--server", "web1", "hi"],
    ]);
    expect(await find("--no-color", "--config=x", "-h", "status")).toEqual([
      ...["status", "--no-color", "--config=x", "-h"],
    ]);
  });

  test("findCommand() finds a hidden alias", async () => {
    expect(await find("sm", "hi")).toEqual(["send", "hi"]);
  });

  test("findCommand() walks into groups and stays where no command is named", async () => {
    expect(await find("queue", "retry", "m1")).toEqual(["queue retry", "m1"]);
    expect(await find("--json", "servers", "forget", "web1")).toEqual(["servers forget", "--json", "web1"]);
    expect(await find("queue")).toEqual(["queue"]);
    expect(await find("servers", "--stale", "x")).toEqual(["servers", "--stale", "x"]);
  });

  test("findCommand() gives undefined when no command is named", async () => {
    expect(await find()).toBeUndefined();
    expect(await find("--json")).toBeUndefined();
    expect(await find("--", "send")).toBeUndefined();
  });

  test.each([
    [["sned"], 'Unknown command "sned", did you mean "send"?'],
    [["hlep"], 'Unknown command "hlep", did you mean "help"?'],
    [["toString"], 'Unknown command "toString"'],
    [["__proto__"], 'Unknown command "__proto__"'],
    [["queue", "rety"], 'Unknown command "queue rety", did you mean "queue retry"?'],
    [["--to", "x", "send"], 'Unknown flag "--to" before the command'],
    [["--toString", "send"], 'Unknown flag "--toString" before the command'],
  ])("findCommand() refuses %j without loading anything", async (argv, message) => {
    loaded.length = 0;
    await expect(findCommand(TABLE, argv)).rejects.toMatchObject({ code: "USAGE", message });
    expect(loaded).toEqual([]);
  });
});

describe("toTable()", () => {
  test("toTable() has no prototype", () => {
    expect("toString" in toTable({})).toBe(false);
  });
});
