import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const list = strictCommand({
  meta: { name: "servers list", description: "Who is in the fleet, and when each was last heard of" },
  args: {
    group: { type: "string", valueHint: "GROUP", description: "Only members of this group" },
    label: { type: "string", repeatable: true, valueHint: "K[=V]", description: "Only with this label" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd servers", "fleetd servers --group db --label role=primary --json"],
  run: async ({ args }) => (await import("../actions/servers.ts")).servers(args),
});

const forget = strictCommand({
  meta: { name: "servers forget", description: "Leave a server out of broadcasts and lists" },
  args: { id: { type: "positional", description: "Server id" } },
  examples: ["fleetd servers forget build9"],
  run: async ({ args }) => (await import("../actions/servers.ts")).forgetServer({ ...args, offline: true }),
});

/** `fleetd servers`. */
export const servers = strictGroup({
  meta: { name: "servers", description: "Who is in the fleet, and when each was last heard of" },
  fallback: "list",
  commands: {
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    forget: { summary: forget.meta.description, load: () => Promise.resolve(forget) },
  },
});
