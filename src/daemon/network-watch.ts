import type { Clock } from "../base/ports/clock.ts";
import type { NetworkCheck, NetworkReport } from "../base/ports/network-check.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";

/** What a network watch works with. */
export interface NetworkWatchContext {
  readonly clock: Pick<Clock, "monotonicMs" | "wallMs">;
  readonly check: NetworkCheck;
  readonly settings: () => ServerSettings;
  /** Whether the network was away when the last run ended. */
  readonly isNetworkDown: boolean;
}

/** What is known of the way to the remote, without git: the last look, whether it was open, and when. */
export class NetworkWatch {
  /** The last check of the network, and when it was made. */
  last: (NetworkReport & { readonly atWallMs: number }) | null = null;
  isDown: boolean;
  readonly #context: NetworkWatchContext;
  readonly #onBack: () => void;
  #looking: Promise<NetworkReport> | null = null;
  #lastOpenMonoMs = Number.NEGATIVE_INFINITY;
  #hasWorked = false;

  /** `onBack` is called when a look finds open what the look before found shut. */
  constructor(context: NetworkWatchContext, onBack: () => void) {
    this.#context = context;
    this.#onBack = onBack;
    this.isDown = context.isNetworkDown;
  }

  /** Git has just spoken with the remote. */
  noteWorking(): void {
    this.isDown = false;
    this.#hasWorked = true;
    this.#lastOpenMonoMs = this.#context.clock.monotonicMs();
  }

  /** Whether what was seen lately makes another look pointless, as long as nothing is in trouble. */
  isFresh(): boolean {
    const { check, clock, settings } = this.#context;
    if (this.#hasWorked && check.isNoticed) return true;
    return clock.monotonicMs() - this.#lastOpenMonoMs < settings().interval / 2;
  }

  /** Looks at the network; whoever asks meanwhile shares the look. */
  look(signal: AbortSignal): Promise<NetworkReport> {
    this.#looking ??= this.#lookNow(signal).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookNow(signal: AbortSignal): Promise<NetworkReport> {
    const { check, clock, settings } = this.#context;
    const report = await check.check({ timeoutMs: settings().timeouts.network, signal });
    if (signal.aborted) return report;
    this.last = { ...report, atWallMs: clock.wallMs() };
    if (report.ok) this.#lastOpenMonoMs = clock.monotonicMs();
    const isBack = report.ok && this.isDown;
    this.isDown = !report.ok;
    if (isBack) this.#onBack();
    return report;
  }
}
