import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const PORT = { type: "positional", description: "A whole number from 1 to 65535" } as const;
const PROTOCOL = {
  type: "enum",
  options: ["tcp", "udp"],
  description: "Only this one; both if left out",
} as const;

const show = strictCommand({
  meta: { name: "port show", description: "Who listens on exactly this port; exit code 1 when nobody does" },
  args: { port: PORT, protocol: PROTOCOL },
  examples: ["fleetd port 8080", "fleetd port 8080 --json"],
  run: async ({ args }) => (await import("../actions/port.ts")).showPort(args),
});

const list = strictCommand({
  meta: { name: "port list", description: "Who listens anywhere on this machine" },
  args: { protocol: PROTOCOL },
  examples: ["fleetd port list", "fleetd port list --protocol tcp --json"],
  run: async ({ args }) => (await import("../actions/port.ts")).listPorts(args),
});

const wait = strictCommand({
  meta: { name: "port wait", description: "Block until somebody listens on a port, or nobody does any more" },
  args: {
    port: PORT,
    protocol: PROTOCOL,
    free: { type: "boolean", description: "Wait until it is free instead" },
    timeout: {
      type: "string",
      default: "60s",
      valueHint: "TIME",
      description: "Give up after; exit code 75",
    },
  },
  examples: ["fleetd port wait 8080 --timeout 30s", "fleetd port wait 8080 --free"],
  run: async ({ args }) => (await import("../actions/port-wait.ts")).waitForPort(args),
});

const free = strictCommand({
  meta: { name: "port free", description: "End who listens on a port, and make sure that it is free" },
  args: {
    port: PORT,
    protocol: PROTOCOL,
    force: { type: "boolean", description: "Also what fleetd did not start" },
    timeout: {
      type: "string",
      default: "10s",
      valueHint: "TIME",
      description: "How long they may take before they are killed",
    },
    "dry-run": { type: "boolean", description: "Only say who would be ended" },
    yes: { type: "boolean", description: "Do it; nothing is asked" },
  },
  examples: ["fleetd port free 8080 --dry-run", "fleetd port free 8080 --force --yes"],
  run: async ({ args }) => (await import("../actions/port-free.ts")).freeThePort(args),
});

/** `fleetd port`. */
export const port = strictGroup({
  meta: { name: "port", description: "Who listens on a port; wait for it, free it" },
  fallback: "show",
  // A port that is none is refused as such, not as a command nobody knows.
  fallbackWords: /^\d/,
  commands: {
    show: { summary: show.meta.description, load: () => Promise.resolve(show) },
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    wait: { summary: wait.meta.description, load: () => Promise.resolve(wait) },
    free: { summary: free.meta.description, load: () => Promise.resolve(free) },
  },
});
