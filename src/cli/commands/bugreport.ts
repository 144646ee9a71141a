import { strictCommand } from "../strict-command.ts";

/** `fleetd bugreport`. */
export const bugreport = strictCommand({
  meta: { name: "bugreport", description: "Write what helps to find a bug into a file, without secrets" },
  args: {
    output: {
      type: "string",
      valueHint: "FILE",
      description: "Where to; default fleetd-bugreport-DATE.tar.gz",
    },
  },
  examples: ["fleetd bugreport", "fleetd bugreport --output /tmp/report.tar.gz"],
  run: async ({ args }) => (await import("../actions/bugreport.ts")).bugreport(args),
});
