import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const list = strictCommand({
  meta: { name: "rules list", description: "Which rules hold here, in their order" },
  examples: ["fleetd rules", "fleetd rules --json"],
  run: async ({ args }) => (await import("../actions/rules.ts")).listRules(args),
});

const test = strictCommand({
  meta: {
    name: "rules test",
    description: "Show what the rules would do with messages that came, without doing it",
  },
  args: {
    since: {
      type: "string",
      default: "7d",
      valueHint: "TIME",
      description: "Messages that came within this time",
    },
    from: { type: "string", valueHint: "ID", description: "Only from this server" },
    limit: { type: "string", default: "50", valueHint: "N", description: "At most so many, the newest" },
    message: { type: "string", valueHint: "ID", description: "Only this message, whenever it came" },
  },
  examples: [
    "fleetd rules test",
    "fleetd rules test --since 30d --from build1",
    "fleetd rules test --message 80c0f365",
  ],
  run: async ({ args }) => (await import("../actions/rules-test.ts")).testRules(args),
});

/** `fleetd rules`. */
export const rules = strictGroup({
  meta: { name: "rules", description: "What is done with messages by rule, and what would be" },
  fallback: "list",
  commands: {
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    test: { summary: test.meta.description, load: () => Promise.resolve(test) },
  },
});
