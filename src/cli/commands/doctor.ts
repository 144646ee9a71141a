import { strictCommand } from "../strict-command.ts";

/** `fleetd doctor`. */
export const doctor = strictCommand({
  meta: { name: "doctor", description: "Find every known trouble, with evidence and what mends it" },
  args: {
    fix: { type: "boolean", description: "Mend what can be mended without risk" },
    yes: { type: "boolean", description: "With --fix: also what sets damaged files aside" },
    "dry-run": { type: "boolean", description: "Say what --fix would do, and do nothing" },
  },
  examples: ["fleetd doctor", "fleetd doctor --fix --dry-run", "fleetd doctor --fix"],
  run: async ({ args }) => (await import("../actions/doctor.ts")).doctor(args),
});
