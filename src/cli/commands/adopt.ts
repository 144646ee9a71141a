import { strictCommand } from "../strict-command.ts";

/** `fleetd adopt`. */
export const adopt = strictCommand({
  meta: { name: "adopt", description: "Make a process that runs already the process of a service" },
  args: {
    name: { type: "positional", description: "Service, or one instance of it" },
    pid: { type: "string", required: true, valueHint: "PID", description: "Its id" },
  },
  examples: ["fleetd adopt web --pid 4242"],
  run: async ({ args }) => (await import("../actions/adopt.ts")).adopt(args),
});
