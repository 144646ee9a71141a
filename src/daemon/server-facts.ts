import { toCardHealth } from "../fleet/health/card-health.ts";
import type { HealthReport } from "../fleet/health/model.ts";
import type { ServerFacts } from "../fleet/messaging/publish-card.ts";

/** What this program says of itself on its card; `health` is null where no monitor has judged. */
export const serverFacts = (version: string, health: HealthReport | null): ServerFacts => ({
  version,
  capabilities: ["messages"],
  groups: [],
  health: toCardHealth(health),
});
