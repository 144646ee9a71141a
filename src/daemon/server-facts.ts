import type { ServerFacts } from "../fleet/messaging/publish-card.ts";

/** What this program says of itself on its card. */
export const serverFacts = (version: string): ServerFacts => ({
  version,
  capabilities: ["messages"],
  groups: [],
  health: { status: "ok" },
});
