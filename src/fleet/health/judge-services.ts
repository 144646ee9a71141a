import { firstLineOf } from "../../base/errors.ts";
import type { Check, FailingService, ServicesFacts } from "./model.ts";

/** What is named of many; `fleetd list` has them all. */
const NAMED_MAX = 3;

/**
 * How the services are: a crash loop is critical, what failed for good or is not ready warns. One that ended once and is
 * started again is left to its policy: if it keeps doing so, it becomes a crash loop.
 */
export function judgeServices({ total, running, failing }: ServicesFacts): Omit<Check, "id"> {
  const threshold = "none failing";
  const figure = `${running} of ${total} running`;
  const bad = [
    ...failing.filter(({ state }) => state === "crash-loop"),
    ...failing.filter(({ state }) => state === "failed" || state === "unready"),
  ];
  const [first] = bad;
  if (first === undefined) {
    const again = failing.length === 0 ? "" : `, ${failing.length} to be started again`;
    return { verdict: "ok", figure, threshold, evidence: `${figure}${again}`, fix: null };
  }
  const more = bad.length - NAMED_MAX;
  const evidence = `${bad.slice(0, NAMED_MAX).map(describe).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  const verdict = first.state === "crash-loop" ? "critical" : "warn";
  return { verdict, figure, threshold, evidence, fix: `fleetd status ${first.name}` };
}

const WORDS: Readonly<Record<FailingService["state"], string>> = {
  "crash-loop": "is in a crash loop",
  failed: "failed",
  unready: "is not ready",
  backoff: "is to be started again",
};

const describe = ({ name, state, why }: FailingService): string =>
  `${name} ${WORDS[state]}${why === null || state === "unready" ? "" : `: ${firstLineOf(why)}`}`;
