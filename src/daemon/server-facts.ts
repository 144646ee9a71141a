import { toCardHealth } from "../fleet/health/card-health.ts";
import type { HealthReport } from "../fleet/health/model.ts";
import type { ServerFacts } from "../fleet/messaging/publish-card.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";

/** What this program says of itself on its card; `health` is null where no monitor has judged. */
export const serverFacts = (
  version: string,
  { groups, labels }: Pick<ServerSettings, "groups" | "labels">,
  health: HealthReport | null,
): ServerFacts => ({
  version,
  capabilities: ["messages"],
  groups,
  labels,
  health: toCardHealth(health),
});
