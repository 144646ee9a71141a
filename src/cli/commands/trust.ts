import { strictGroup } from "../command-table.ts";
import { strictCommand } from "../strict-command.ts";

const OFFLINE = { type: "boolean", description: "Go by what is here without looking at the remote" } as const;
const YES = { type: "boolean", description: "Do it; nothing is asked" } as const;

const list = strictCommand({
  meta: { name: "trust list", description: "Every known server with its key, and how it is trusted" },
  args: { offline: OFFLINE },
  examples: ["fleetd trust list", "fleetd trust list --json"],
  run: async ({ args }) => (await import("../actions/trust-list.ts")).listTrust(args),
});

const add = strictCommand({
  meta: { name: "trust add", description: "Trust a server's key from now on" },
  args: {
    id: { type: "positional", description: "Server id" },
    key: {
      type: "positional",
      required: false,
      repeatable: true,
      description: "Its key (ssh-ed25519 ...) or fingerprint (SHA256:...); the one that is shown if left out",
    },
    file: { type: "string", valueHint: "PATH", description: "Read the key from a file, such as its key.pub" },
    yes: YES,
    "dry-run": { type: "boolean", description: "Only say what would be trusted" },
    offline: OFFLINE,
  },
  examples: [
    "fleetd trust add build1",
    "fleetd trust add build1 SHA256:TIvwkqWmSfkXBM/jGlj/lpcTN9/GE+KlNuo8tOFSVTw",
    "fleetd trust add build1 --file build1.pub --yes",
  ],
  run: async ({ args }) => (await import("../actions/trust.ts")).addTrust(args),
});

const revoke = strictCommand({
  meta: { name: "trust revoke", description: "Accept nothing of a server from now on" },
  args: {
    id: { type: "positional", description: "Server id" },
    yes: YES,
    "dry-run": { type: "boolean", description: "Only say what would be revoked" },
  },
  examples: ["fleetd trust revoke build9 --dry-run", "fleetd trust revoke build9 --yes"],
  run: async ({ args }) => (await import("../actions/trust.ts")).revoke(args),
});

const rotate = strictCommand({
  meta: { name: "trust rotate", description: "Give this server a new key; the fleet follows by itself" },
  args: {
    yes: YES,
    "dry-run": { type: "boolean", description: "Only say what would be done" },
  },
  examples: ["fleetd trust rotate --dry-run", "fleetd trust rotate --yes"],
  run: async ({ args }) => (await import("../actions/trust-rotate.ts")).rotate(args),
});

/** `fleetd trust`. */
export const trust = strictGroup({
  meta: { name: "trust", description: "Whose key counts: list, add, revoke, change the own one" },
  fallback: "list",
  commands: {
    list: { summary: list.meta.description, load: () => Promise.resolve(list) },
    add: { summary: add.meta.description, load: () => Promise.resolve(add) },
    revoke: { summary: revoke.meta.description, load: () => Promise.resolve(revoke) },
    rotate: { summary: rotate.meta.description, load: () => Promise.resolve(rotate) },
  },
});
