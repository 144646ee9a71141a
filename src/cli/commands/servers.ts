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
  meta: { name: "servers forget", description: "Leave a server out of broadcasts and groups, or delete it" },
  args: {
    id: { type: "positional", description: "Server id" },
    purge: { type: "boolean", description: "Delete its refs on the remote; it takes trust to come back" },
    "dry-run": { type: "boolean", description: "Only say what would be deleted" },
    yes: { type: "boolean", description: "Do it; nothing is asked" },
  },
  examples: ["fleetd servers forget build9", "fleetd servers forget build9 --purge --dry-run"],
  run: async ({ args }) => (await import("../actions/forget-server.ts")).forgetServer(args),
});

const remember = strictCommand({
  meta: { name: "servers remember", description: "Take a forgotten server back" },
  args: { id: { type: "positional", description: "Server id" } },
  examples: ["fleetd servers remember build9"],
  run: async ({ args }) => (await import("../actions/forget-server.ts")).rememberServer(args),
});

/** `fleetd servers`. */
export const servers = strictGroup({
  meta: { name: "servers", description: "Who is in the fleet, and when each was last heard of" },
  fallback: "list",
  commands: {
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    forget: { summary: forget.meta.description, load: () => Promise.resolve(forget) },
    remember: { summary: remember.meta.description, load: () => Promise.resolve(remember) },
  },
});
