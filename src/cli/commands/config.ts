import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const show = strictCommand({
  meta: { name: "config show", description: "Every setting with the value that holds" },
  args: { origin: { type: "boolean", description: "Say where each value comes from" } },
  examples: ["fleetd config show --origin", "fleetd config show --json"],
  run: async ({ args }) => (await import("../actions/config.ts")).showConfig(args),
});

const check = strictCommand({
  meta: {
    name: "config check",
    description: "Say everything that is wrong with a configuration, with lines",
  },
  args: {
    file: { type: "positional", required: false, description: "File; default: what would be used here" },
  },
  examples: ["fleetd config check", "fleetd config check ./new.yaml && fleetd reload"],
  run: async ({ args }) => (await import("../actions/config.ts")).checkConfig(args),
});

const schema = strictCommand({
  meta: { name: "config schema", description: "Print the JSON Schema of the file, for editors" },
  examples: ["fleetd config schema > fleetd.schema.json"],
  run: async () => (await import("../actions/config.ts")).printSchema(),
});

const path = strictCommand({
  meta: { name: "config path", description: "Where the configuration file is looked for" },
  examples: ["fleetd config path"],
  run: async ({ args }) => (await import("../actions/config.ts")).showPaths(args),
});

const example = strictCommand({
  meta: { name: "config example", description: "Print a commented file with every default" },
  examples: ["fleetd config example > ~/.config/fleetd/fleetd.yaml"],
  run: async ({ args }) => (await import("../actions/config.ts")).printExample(args),
});

/** `fleetd config`. */
export const config = strictGroup({
  meta: { name: "config", description: "Show, check and describe the configuration" },
  fallback: "show",
  commands: {
    show: { summary: show.meta.description, load: () => Promise.resolve(show) },
    check: { summary: check.meta.description, load: () => Promise.resolve(check) },
    schema: { summary: schema.meta.description, load: () => Promise.resolve(schema) },
    path: { summary: path.meta.description, load: () => Promise.resolve(path) },
    example: { summary: example.meta.description, load: () => Promise.resolve(example) },
  },
});
