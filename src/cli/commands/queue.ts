import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const IDS = {
  type: "positional",
  required: false,
  repeatable: true,
  description: "Ids, or their beginning or end",
} as const;

const list = strictCommand({
  meta: {
    name: "queue list",
    description: "What waits to be sent, how often it was tried, and why it waits",
  },
  examples: ["fleetd queue", "fleetd queue list --json"],
  run: async ({ args }) => (await import("../actions/queue.ts")).listWaiting(args),
});

const retry = strictCommand({
  meta: { name: "queue retry", description: "Send again what is dead, expired or resting" },
  args: {
    id: IDS,
    all: { type: "boolean", description: "Everything that is dead, expired or resting" },
  },
  examples: ["fleetd queue retry 5f2c91ab", "fleetd queue retry --all"],
  run: async ({ args }) => (await import("../actions/queue.ts")).retryWaiting(args),
});

const drop = strictCommand({
  meta: { name: "queue drop", description: "Give up what was not sent yet" },
  args: {
    id: IDS,
    "all-dead": { type: "boolean", description: "Everything that is dead or expired" },
    yes: { type: "boolean", description: "Do it; nothing is asked" },
    "dry-run": { type: "boolean", description: "Only say what would be dropped" },
  },
  examples: ["fleetd queue drop 5f2c91ab --yes", "fleetd queue drop --all-dead --dry-run"],
  run: async ({ args }) => (await import("../actions/queue.ts")).dropWaiting(args),
});

/** `fleetd queue`. */
export const queue = strictGroup({
  meta: { name: "queue", description: "What waits to be sent; retry it or give it up" },
  fallback: "list",
  commands: {
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    retry: { summary: retry.meta.description, load: () => Promise.resolve(retry) },
    drop: { summary: drop.meta.description, load: () => Promise.resolve(drop) },
  },
});
