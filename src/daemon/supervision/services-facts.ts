import type { FailingService, ServicesFacts } from "../../fleet/health/model.ts";
import { isFailing, type ServiceView } from "../../fleet/supervisor/service-view.ts";

/** What health judges of the services: how many run, and what is wrong with the others. */
export const servicesFacts = (views: readonly ServiceView[]): ServicesFacts => ({
  total: views.length,
  running: views.filter(({ state }) => state === "running").length,
  failing: views.flatMap(({ name, state, lastEnd }): FailingService[] =>
    isFailing(state) ? [{ name, state, why: lastEnd?.text ?? null }] : [],
  ),
});
