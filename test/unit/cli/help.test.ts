import { describe, expect, test } from "bun:test";
import { strictGroup, type TableEntry, toTable } from "../../../src/cli/command-table.ts";
import {
  renderCommandHelp,
  renderGroupHelp,
  renderRootHelp,
  renderShortHelp,
} from "../../../src/cli/help.ts";
import { strictCommand } from "../../../src/cli/strict-command.ts";

const entry = (group: NonNullable<TableEntry["group"]>, summary: string): TableEntry => ({
  group,
  summary,
  load: () => Promise.reject(new Error("Help loads no command")),
});

const TABLE = toTable({
  "rebuild-index": entry("Care", "Build the index again from what the store holds"),
  send: { ...entry("Messages", "Send a message to one server or to the whole fleet"), aliases: ["sm"] },
  wait: entry("Messages", "Block until a matching message is here and print it, for scripts and agents"),
  init: entry("Fleet", "Make this machine a server of a fleet"),
  secret: { summary: "Not listed", load: () => Promise.reject(new Error("Help loads no command")) },
});

const SEND = strictCommand({
  meta: { name: "send", description: "Send a message to one server or to the whole fleet" },
  args: {
    body: { type: "positional", description: "Message text" },
    subject: { type: "positional", description: "One line about it", required: false },
    to: { type: "string", description: "Server ids, all or @group", default: "all", valueHint: "ID[,ID]" },
    kind: { type: "enum", description: "Kind", options: ["info", "request"], default: "info" },
    label: { type: "string", description: "Label", repeatable: true, valueHint: "K=V" },
    follow: { type: "boolean", description: "Wait on", alias: ["f", "tail"] },
    "a-flag-of-a-remarkable-length": { type: "string", description: "Long" },
    retry: { type: "boolean", description: "Do not try again", default: true },
    reason: { type: "string", description: `Why, at ${"some ".repeat(20)}length`, required: true },
  },
  examples: ['fleetd send "Deploy done" --to web1'],
  run: () => Promise.resolve(),
});

const widest = (help: string): number => Math.max(...help.split("\n").map((line) => line.length));

describe("renderRootHelp()", () => {
  const help = renderRootHelp(TABLE);

  test("renderRootHelp() lists the groups in their order and what stands in them", () => {
    const places = ["Messages\n", "  send ", "  wait ", "Fleet\n", "  init ", "Care\n", "  rebuild-index "];
    const found = places.map((place) => help.indexOf(place));
    expect(found).not.toContain(-1);
    expect(found).toEqual(found.toSorted((one, other) => one - other));
  });

  test("renderRootHelp() hides aliases, commands without a group and empty groups", () => {
    expect(help).not.toContain("sm");
    expect(help).not.toContain("secret");
    expect(help).not.toContain("Daemon\n");
  });

  test("renderRootHelp() has three examples, the exit codes and the shared flags", () => {
    expect(help.split("\n").filter((line) => line.startsWith("  fleetd ")).length).toBe(3);
    expect(help).toContain("  75      not done yet, safe to retry");
    expect(help).toContain("--config PATH");
  });

  test("renderRootHelp() fits 80 columns without escape sequences or trailing spaces", () => {
    expect(widest(help)).toBeLessThanOrEqual(80);
    expect(help).not.toContain("\u001B");
    expect(help).not.toMatch(/ \n| $/);
  });
});

describe("renderShortHelp()", () => {
  test("renderShortHelp() lists the commands and says where there is more", () => {
    const help = renderShortHelp(TABLE);
    expect(help).toContain("  send           Send a message");
    expect(help).toContain('"fleetd --help"');
    expect(help).not.toContain("Exit codes");
  });
});

describe("renderCommandHelp()", () => {
  const help = renderCommandHelp(SEND);

  test.each([
    "Usage: fleetd send BODY [SUBJECT] --reason REASON [flags]",
    "  SUBJECT  One line about it (optional)",
    "      --to ID[,ID]          Server ids, all or @group (default: all)",
    "      --kind KIND           Kind (info, request; default: info)",
    "      --label K=V           Label (may be repeated)",
    "  -f, --follow              Wait on",
    "      --no-retry            Do not try again",
    "  -h, --help",
    '  fleetd send "Deploy done" --to web1',
  ])("renderCommandHelp() has %p", (line) => {
    expect(help.replaceAll(/ {2,}(?=\S)/g, "  ")).toContain(line.replaceAll(/ {2,}(?=\S)/g, "  "));
  });

  test("renderCommandHelp() puts a long flag on a line of its own", () => {
    expect(help).toMatch(/--a-flag-of-a-remarkable-length A-FLAG-OF-A-REMARKABLE-LENGTH\n {20,}Long\n/);
  });

  test("renderCommandHelp() hides old spellings and fits 80 columns", () => {
    expect(help).not.toContain("tail");
    expect(widest(help)).toBeLessThanOrEqual(80);
    expect(help).not.toMatch(/ \n|\s$/);
  });
});

describe("renderGroupHelp()", () => {
  test("renderGroupHelp() lists its commands and says which one runs alone", () => {
    const list = entry("Fleet", "Who is in the fleet");
    const commands = { list, forget: entry("Fleet", "Forget a server") };
    const meta = { name: "servers", description: "Servers" };
    const help = renderGroupHelp(strictGroup({ meta, fallback: "list", commands }));
    expect(help).toContain("Usage: fleetd servers [COMMAND] [flags]");
    expect(help).toContain(
      "  list    Who is in the fleet (when no command is given)\n  forget  Forget a server",
    );
    expect(renderGroupHelp(strictGroup({ meta, commands }))).toContain("fleetd servers COMMAND [flags]");
  });
});
