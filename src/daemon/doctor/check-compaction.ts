import { firstLineOf } from "../../base/errors.ts";
import { compactionRefusal } from "../../fleet/messaging/compaction-state.ts";
import { loadCardState } from "../../fleet/messaging/publish-card.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { type Diagnosis, healthy, trouble } from "./diagnosis.ts";

/** Whether the own log can be shortened; one that cannot grows for ever. */
export function checkCompaction({ state }: Mailbox): Diagnosis {
  const isChain = loadCardState({ state }).mode === "chain";
  const refusal = isChain ? "it takes no ref that replaces another" : compactionRefusal(state);
  if (refusal === null) return healthy("compaction", "the remote refused no shortened log");
  return trouble("compaction", "warn", {
    evidence: `the remote refuses shortened logs, so this server's grows: ${firstLineOf(refusal)}`,
    fix: "Let the host take refs of fleetd that replace others, then: fleetd compact",
  });
}
