import type { Clock } from "../../base/ports/clock.ts";
import { saysTheSame, toCardHealth } from "../../fleet/health/card-health.ts";
import { judgeHealth } from "../../fleet/health/judge-health.ts";
import { type HealthFacts, problemsFirst } from "../../fleet/health/model.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { DaemonState } from "../daemon-state.ts";
import type { Report } from "../events.ts";

/** Clocks drift; a difference this large between two rounds was made by somebody, or by sleep. Chosen. */
const JUMP_MS_MIN = 60_000;

/** What the health loop works with. `gather` never throws; `noteLook` remembers the last good look at the remote. */
export interface HealthLoopContext {
  readonly clock: Clock;
  readonly daemon: DaemonState;
  readonly gather: () => Promise<HealthFacts>;
  readonly settings: () => ServerSettings;
  readonly noteLook: (atWallMs: number) => void;
  readonly report: Report;
}

/** Judges the server, tells when the verdict changed, and puts it on the card. Answers how long to wait, ms. */
export async function healthRound(context: HealthLoopContext): Promise<number> {
  const { daemon, clock } = context;
  const { health: thresholds } = context.settings();
  watchClock(context);
  if (daemon.lastFetchWallMs !== null) context.noteLook(daemon.lastFetchWallMs);
  const facts = await context.gather();
  const report = judgeHealth(facts, thresholds, clock.wallMs());
  const before = daemon.health;
  daemon.health = report;
  if (saysTheSame(before, report)) return thresholds.interval;
  daemon.bump();
  if (before !== null || report.verdict !== "ok") {
    const problems = problemsFirst(report.checks).map((one) => one.evidence);
    context.report({ kind: "health", verdict: report.verdict, was: before?.verdict ?? null, problems });
  }
  const isNews = JSON.stringify(toCardHealth(before)) !== JSON.stringify(toCardHealth(report));
  // The first verdict goes with the first push; a later one may wait a round, which bounds what flapping can cost.
  if (before !== null && isNews) daemon.wantCard(thresholds.interval);
  return thresholds.interval;
}

/** Two clocks that should move together: where they do not, the wall clock was set, or the machine slept. */
function watchClock({ daemon, clock }: HealthLoopContext): void {
  const now = { wallMs: clock.wallMs(), monoMs: clock.monotonicMs() };
  const last = daemon.clockSeen;
  daemon.clockSeen = now;
  if (last === null) return;
  const byMs = Math.round(now.wallMs - last.wallMs - (now.monoMs - last.monoMs));
  if (Math.abs(byMs) >= JUMP_MS_MIN) daemon.clockJump = { byMs, atWallMs: now.wallMs };
}
