import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const list = strictCommand({
  meta: {
    name: "handlers list",
    description: "What handlers were given and what came of it, parked ones first",
  },
  args: { limit: { type: "string", default: "20", valueHint: "N", description: "At most so many" } },
  examples: ["fleetd handlers", "fleetd handlers --json"],
  run: async ({ args }) => (await import("../actions/handlers.ts")).listHandlers(args),
});

const retry = strictCommand({
  meta: { name: "handlers retry", description: "Give a parked message to its handler again" },
  args: { id: { type: "positional", description: "Message id; its last characters are enough" } },
  examples: ["fleetd handlers retry 80c0f365"],
  run: async ({ args }) => (await import("../actions/handlers.ts")).retryHandler(args),
});

/** `fleetd handlers`. */
export const handlers = strictGroup({
  meta: {
    name: "handlers",
    description: "Programs that were given messages, and how they ended",
  },
  fallback: "list",
  commands: {
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    retry: { summary: retry.meta.description, load: () => Promise.resolve(retry) },
  },
});
