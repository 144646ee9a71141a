import { strictCommand } from "../strict-command.ts";

/** `fleetd top`. */
export const top = strictCommand({
  meta: { name: "top", description: "Watch services, queue and fleet on the whole screen" },
  args: {
    interval: {
      type: "string",
      default: "1s",
      valueHint: "TIME",
      description: "How often to look; changes of services show at once",
    },
    sort: {
      type: "string",
      valueHint: "BY",
      description: "Begin with services in this order: name (default), cpu, memory, restarts",
    },
    filter: { type: "string", valueHint: "TEXT", description: "Begin with services that TEXT fits" },
    once: { type: "boolean", description: "Print one page and end; needs no terminal (so does --json)" },
  },
  examples: ["fleetd top", "fleetd top --sort memory --interval 5s", "fleetd top --once --json"],
  run: async ({ args }) => (await import("../actions/top.ts")).top(args),
});
