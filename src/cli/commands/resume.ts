import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const auto = strictCommand({
  meta: { name: "resume auto", description: "End a pause: handlers go on, new messages are answered again" },
  examples: ["fleetd resume auto"],
  run: async ({ args }) => (await import("../actions/pause.ts")).resume(args),
});

/** `fleetd resume`. */
export const resume = strictGroup({
  meta: { name: "resume", description: "Let everything automatic go on" },
  commands: { auto: { summary: auto.meta.description, load: () => Promise.resolve(auto) } },
});
