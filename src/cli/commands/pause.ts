import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const auto = strictCommand({
  meta: { name: "pause auto", description: "Stop automatic answers, acknowledgements and handlers at once" },
  args: {
    for: { type: "string", valueHint: "TIME", description: "Go on by itself after this time, such as 1h" },
  },
  examples: ["fleetd pause auto", "fleetd pause auto --for 1h"],
  run: async ({ args }) => (await import("../actions/pause.ts")).pause(args),
});

/** `fleetd pause`. */
export const pause = strictGroup({
  meta: { name: "pause", description: "Stop everything automatic, also of a running monitor" },
  commands: { auto: { summary: auto.meta.description, load: () => Promise.resolve(auto) } },
});
