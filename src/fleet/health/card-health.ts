import { type CheckId, type HealthReport, problemsFirst, worstOf } from "./model.ts";

/** What a server says of its health on its card; a reader takes any further words as strangers' text. */
export interface CardHealth {
  readonly status: string;
  readonly summary?: string;
}

/** Cards are small, and the summary is one line on other people's screens. */
const SUMMARY_LENGTH_MAX = 120;

/** Whoever reads a card knows that the way to the remote was open; on the card these would only ever be out of date. */
const NOT_ON_CARD: readonly CheckId[] = ["remote", "breaker", "queue"];

/** The health for the own card: `unknown` while nobody has judged. Figures are left out: each would make a new card. */
export function toCardHealth(report: HealthReport | null): CardHealth {
  if (report === null) return { status: "unknown" };
  const checks = report.checks.filter((one) => !NOT_ON_CARD.includes(one.id));
  const status = worstOf(checks.map((one) => one.verdict));
  const problems = problemsFirst(checks).map((one) => `${one.id} ${one.verdict}`);
  if (problems.length === 0) return { status };
  return { status, summary: problems.join(", ").slice(0, SUMMARY_LENGTH_MAX) };
}

/** What another server's card says of its health, as two lines of strangers' text. */
export function readCardHealth(health: Readonly<Record<string, unknown>>): {
  readonly status: string;
  readonly summary: string | null;
} {
  const { status, summary } = health as { status?: unknown; summary?: unknown };
  return {
    status: typeof status === "string" ? status : "unknown",
    summary: typeof summary === "string" ? summary.slice(0, SUMMARY_LENGTH_MAX) : null,
  };
}

/** Whether two reports say the same to whoever is not looking at figures. */
export function saysTheSame(one: HealthReport | null, other: HealthReport): boolean {
  const wordsOf = (report: HealthReport): string =>
    report.checks.map((check) => `${check.id} ${check.verdict}`).join();
  return one !== null && wordsOf(one) === wordsOf(other);
}
