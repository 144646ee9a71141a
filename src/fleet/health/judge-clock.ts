import { formatDuration } from "../../base/duration.ts";
import type { Check, ClockFacts, ClockSample } from "./model.ts";

/** Clocks that differ by less do no harm: times to live are counted from first sight beyond it. */
const SKEW_MS_MAX = 5 * 60_000;

/** A clock that was set is worth telling for so long. Chosen, not measured. */
const JUMP_TOLD_MS = 3_600_000;

const THRESHOLD = "5 min off, or set";
const FIX = "Turn on time synchronisation (timedatectl set-ntp true)";

type Judged = Omit<Check, "id">;

const warning = (figure: string, evidence: string): Judged => ({
  verdict: "warn",
  figure,
  threshold: THRESHOLD,
  evidence,
  fix: FIX,
});

const fine = (figure: string, evidence: string): Judged => ({
  verdict: "ok",
  figure,
  threshold: THRESHOLD,
  evidence,
  fix: null,
});

/** How far the own clock may be trusted, from the cards of the others and from its own jumps. */
export function judgeClock(clock: ClockFacts, nowWallMs: number): Judged {
  const { samples } = clock;
  const jumped = judgeJump(clock.jump, nowWallMs) ?? judgeFuture(samples, nowWallMs);
  if (jumped !== null) return jumped;
  const off = samples.map((sample) => ({ sample, byMs: offsetOf(sample) })).filter(({ byMs }) => byMs !== 0);
  const [first] = off;
  if (first === undefined && samples.length === 0) {
    return fine("no jump", "no card of another server to compare it with, and no jump");
  }
  if (first === undefined) {
    const others = samples.length === 1 ? "1 other server" : `${samples.length} other servers`;
    return fine("in step", `within 5 min of ${others}`);
  }
  const far = formatDuration(Math.abs(first.byMs));
  const isAhead = first.byMs > 0;
  // With two servers nobody can say whose clock is wrong.
  if (samples.length > 1 && off.length * 2 > samples.length) {
    const figure = `${far} ${isAhead ? "behind" : "ahead"}`;
    return warning(
      figure,
      `this clock is ${figure}, going by ${off.length} of ${samples.length} other servers`,
    );
  }
  const way = isAhead ? "ahead of" : "behind";
  return warning(`${far} apart`, `the clock of ${first.sample.server} is ${far} ${way} this one`);
}

function judgeJump(jump: ClockFacts["jump"], nowWallMs: number): Judged | null {
  if (jump === null || Math.abs(jump.byMs) <= SKEW_MS_MAX) return null;
  if (Math.abs(nowWallMs - jump.atWallMs) >= JUMP_TOLD_MS) return null;
  const way = jump.byMs < 0 ? "back" : "forward";
  const far = formatDuration(Math.abs(jump.byMs));
  const evidence = `the clock went ${way} by ${far} while the monitor ran (it was set, or the machine slept)`;
  return warning(`went ${way}`, evidence);
}

/** What came in the future came before the own clock was set back. */
function judgeFuture(samples: readonly ClockSample[], nowWallMs: number): Judged | null {
  const aheadMs = Math.max(0, ...samples.map((sample) => sample.receivedWallMs - nowWallMs));
  if (aheadMs <= SKEW_MS_MAX) return null;
  const evidence = `a card came here ${formatDuration(aheadMs)} in the future: this clock was set back`;
  return warning("went back", evidence);
}

/** How far the sender's clock is ahead of ours (negative: behind), 0 within what may be. Only a live card can be late. */
function offsetOf({ cardWallMs, receivedWallMs, live }: ClockSample): number {
  const aheadMs = cardWallMs - receivedWallMs;
  if (aheadMs > SKEW_MS_MAX) return aheadMs;
  return live && -aheadMs > SKEW_MS_MAX ? aheadMs : 0;
}
