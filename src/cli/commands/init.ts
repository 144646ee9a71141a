import { strictCommand } from "../strict-command.ts";

/** `fleetd init`. */
export const init = strictCommand({
  meta: { name: "init", description: "Make this server and join or found its fleet" },
  args: {
    remote: { type: "string", valueHint: "URL", description: "Git remote; without one, a repository here" },
    repo: { type: "string", valueHint: "PATH", description: "Use the origin of this clone" },
  },
  examples: ["fleetd init", "fleetd init --remote ssh://git@host/srv/fleet.git --server build1"],
  run: async ({ args }) => (await import("../actions/init.ts")).init(args),
});
