import { autoPause, DECISIONS_LOST } from "../../fleet/messaging/auto-pause.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { type Diagnosis, healthy, trouble } from "./diagnosis.ts";

/** Whether decisions of the operator may have been lost with a `state.db`; a pause that somebody asked for is none. */
export function checkPause({ state }: Mailbox): Diagnosis {
  const pause = autoPause(state, systemClock.wallMs());
  if (pause?.decisionsLost === true) return trouble("decisions", "warn", DECISIONS_LOST);
  return healthy("decisions", "what was decided here can be read");
}
