/**
 * Probes at work for one run: asks when `probe-state.ts` says so, hears lines and messages, and tells what came of it.
 * One timer at a time, and none when nothing is due.
 */
import { messageOf } from "../../base/errors.ts";
import { parseNotifyMessage } from "../../base/notify-message.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { NotifyReceiver, ProbeAnswer, Prober } from "../../base/ports/prober.ts";
import { Timer } from "../../base/timer.ts";
import type { ProbeWatch, RunningProbes } from "./instance-world.ts";
import { type LineWatch, watchLines } from "./line-watch.ts";
import type { Probe, Probes } from "./model.ts";
import { hearNotify, type NotifyState, openNotifyState } from "./notify-state.ts";
import {
  dueProbes,
  lastAnswer,
  type Moment,
  nextProbeMonoMs,
  openProbes,
  type ProbeName,
  type ProbeState,
  settleProbe,
  withAsked,
  withHurry,
} from "./probe-state.ts";
import type { ProbeAnswers } from "./service-detail.ts";
import type { RunProgress } from "./service-store.ts";

/** What probes act through. */
export interface ProbeWorld {
  readonly clock: Clock;
  readonly random: () => number;
  readonly prober: Prober;
  /** Null where the system has no such sockets. */
  readonly notify: NotifyReceiver | null;
  /** Runs a program that asks, where and as whom the service itself runs. */
  readonly askProgram: (
    watch: ProbeWatch,
    question: { readonly command: readonly string[]; readonly timeoutMs: number },
    signal: AbortSignal,
  ) => Promise<ProbeAnswer>;
  /** Whether a process came of a run. */
  readonly isMember: (watch: ProbeWatch, pid: number) => boolean;
  /** What the service says of itself, for people; hostile text. */
  readonly onStatus: (watch: ProbeWatch, status: string) => void;
}

const NAMES = ["startup", "readiness", "liveness"] as const;

/** Puts the probes of a run to work. */
export function watchProbes(world: ProbeWorld, watch: ProbeWatch): RunningProbes {
  const probing = new Probing(world, watch);
  probing.begin();
  return probing;
}

class Probing implements RunningProbes {
  readonly #world: ProbeWorld;
  readonly #watch: ProbeWatch;
  readonly #probes: Probes;
  readonly #stopped = new AbortController();
  readonly #lines = new Map<ProbeName, LineWatch>();
  readonly #timer: Timer;
  #state: ProbeState;
  #notify: NotifyState;

  constructor(world: ProbeWorld, watch: ProbeWatch) {
    this.#world = world;
    this.#watch = watch;
    this.#timer = new Timer(world.clock);
    this.#probes = watch.definition.probes;
    const { progress } = watch;
    this.#state = openProbes(this.#probes, this.#moment(), progress);
    this.#notify = openNotifyState(world.clock.monotonicMs(), progress === "ready");
    for (const name of NAMES) {
      const target = this.#probes[name]?.target;
      if (target?.kind === "log") {
        // A line that was written is not written again.
        const wasSeen = name === "startup" ? progress !== "begun" : isReadyOnce(progress);
        this.#lines.set(name, watchLines(target.pattern, world.clock, wasSeen));
      }
    }
  }

  begin(): void {
    const { notify, isMember } = this.#world;
    const { run } = this.#watch.tree;
    if (notify !== null && this.#waitsForNotify()) {
      notify.listen(
        run,
        (pid) => isMember(this.#watch, pid),
        (text) => this.#hear(text),
      );
    }
    this.#next();
  }

  line(text: string): void {
    for (const [name, lines] of this.#lines) if (lines.look(text)) this.#hurry(name);
  }

  answers(): ProbeAnswers {
    return Object.fromEntries(NAMES.map((name) => [name, lastAnswer(this.#state, name)]));
  }

  stop(): void {
    this.#stopped.abort();
    this.#timer.stop();
  }

  #waitsForNotify(): boolean {
    return NAMES.some((name) => this.#probes[name]?.target.kind === "notify");
  }

  #hear(text: string): void {
    if (this.#stopped.signal.aborted) return;
    const before = this.#notify;
    this.#notify = hearNotify(before, parseNotifyMessage(text), this.#world.clock.monotonicMs());
    const { status, isReady, isTriggered } = this.#notify;
    if (status !== null && status !== before.status) this.#world.onStatus(this.#watch, status);
    if (isReady === before.isReady && isTriggered === before.isTriggered) return;
    for (const name of NAMES) if (this.#probes[name]?.target.kind === "notify") this.#hurry(name);
  }

  #hurry(name: ProbeName): void {
    this.#state = withHurry(this.#state, name, this.#world.clock.monotonicMs());
    this.#next();
  }

  #moment(): Moment {
    return { nowMonoMs: this.#world.clock.monotonicMs(), random: this.#world.random() };
  }

  /** Asks what is due, and waits for what is due next. */
  #next(): void {
    this.#timer.stop();
    if (this.#stopped.signal.aborted) return;
    const nowMs = this.#world.clock.monotonicMs();
    const due = dueProbes(this.#state, nowMs);
    this.#state = withAsked(this.#state, due);
    for (const name of due) void this.#ask(name);
    const nextMs = nextProbeMonoMs(this.#state);
    if (nextMs !== null) this.#timer.set(Math.max(0, nextMs - nowMs), () => this.#next());
  }

  async #ask(name: ProbeName): Promise<void> {
    const probe = this.#probes[name];
    if (probe === null) return;
    const answer = await this.#answerTo(name, probe);
    if (this.#stopped.signal.aborted) return;
    const { state, event } = settleProbe(this.#state, this.#probes, { name, ...answer }, this.#moment());
    this.#state = state;
    if (event?.kind === "unwell") {
      this.stop();
      this.#watch.onUnwell({ kind: "probe", detail: event.detail });
      return;
    }
    if (event?.kind === "started") this.#watch.onStarted();
    else if (event !== null) this.#watch.onReady(event.kind === "ready");
    this.#next();
  }

  async #answerTo(name: ProbeName, probe: Probe): Promise<ProbeAnswer> {
    const { target, timeoutMs } = probe;
    if (target.kind === "log") {
      const lines = this.#lines.get(name);
      return { isWell: lines?.isSeen === true, detail: lines?.detail ?? "" };
    }
    if (target.kind === "notify") return this.#notifyAnswer(name, probe);
    const { prober, askProgram } = this.#world;
    if (target.kind !== "exec") return await prober.ask(target, timeoutMs, this.#stopped.signal);
    try {
      return await askProgram(this.#watch, { command: target.command, timeoutMs }, this.#stopped.signal);
    } catch (thrown) {
      // The folder or a file of variables is gone: the service cannot be asked, which is an answer.
      return { isWell: false, detail: messageOf(thrown) };
    }
  }

  #notifyAnswer(name: ProbeName, { intervalMs }: Probe): ProbeAnswer {
    const { isReady, isTriggered, aliveMonoMs } = this.#notify;
    if (name !== "liveness") return { isWell: isReady, detail: isReady ? "it says READY" : "no READY=1 yet" };
    if (isTriggered) return { isWell: false, detail: "it says that it is not well (WATCHDOG=trigger)" };
    const isWell = this.#world.clock.monotonicMs() - aliveMonoMs <= intervalMs * WATCHDOG_TOLERANCE;
    return { isWell, detail: isWell ? "it gives signs of life" : "no WATCHDOG=1 in time" };
  }
}

const isReadyOnce = (progress: RunProgress): boolean => progress === "ready" || progress === "unready";

/** An interval that was jittered by a tenth, and a timer that came late, are no missing sign of life. */
const WATCHDOG_TOLERANCE = 1.25;

/** The interval in which a service has to give signs of life, for `WATCHDOG_USEC`; null: none are waited for. */
export function watchdogMs({ liveness }: Probes): number | null {
  return liveness?.target.kind === "notify" ? liveness.intervalMs : null;
}

/** Whether a run needs a `NOTIFY_SOCKET`. */
export const needsNotify = ({ startup, readiness, liveness }: Probes): boolean =>
  [startup, readiness, liveness].some((probe) => probe?.target.kind === "notify");
