import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { MonitorEvent, Report } from "../events.ts";
import { Bell } from "../loop.ts";
import type { MendReport } from "../mend-store.ts";

/** Examining a store reads every object in it, so a suspicion that comes back is followed less and less often. Chosen. */
const PAUSE_MS_FIRST = 5_000;
const PAUSE_MS_MAX = 3_600_000;
/** Nothing to do; the bell ends it. */
const REST_MS = 600_000;
/** Somebody pushes at that moment. */
const BUSY_AGAIN_MS = 200;

/** What git says where its own repository is damaged; a network that is away says nothing of the kind. */
const LOCAL_DAMAGE =
  /bad object|loose object|object file|object [0-9a-f]{12,}|commit [0-9a-f]{12,}|corrupt|not a git repository|is no git repository|packed-refs|pack-objects died|ref file|refs\/own|refs\/kept|invalid sha1|bad config|unable to read|inflate|unpack|did not send all|cannot lock ref|bad ref|broken|objects in "/i;

/** What the keeper of the store works with. */
export interface StoreKeeperOptions {
  readonly clock: Clock;
  /** Examines and mends. @throws FleetError */
  readonly mend: () => Promise<MendReport>;
  readonly report: Report;
}

/** Watches what the daemon tells for signs of a damaged store, and has it mended. */
export class StoreKeeper {
  readonly bell = new Bell();
  /** Called when something was mended: whoever failed for it may try again. */
  onMended: () => void = () => undefined;
  readonly #options: StoreKeeperOptions;
  #isSuspicious = false;
  #pauseMs = PAUSE_MS_FIRST;
  #notBeforeMonoMs = 0;

  constructor(options: StoreKeeperOptions) {
    this.#options = options;
  }

  /** Hears what a loop told. */
  note(event: MonitorEvent): void {
    if ((event.kind === "trouble" || event.kind === "failed") && LOCAL_DAMAGE.test(event.detail))
      this.suspect();
  }

  /** Something in the store could not be read. */
  suspect(): void {
    if (this.#isSuspicious) return;
    this.#isSuspicious = true;
    this.bell.ring();
  }

  /** Follows a suspicion. Answers how long to wait for the next, ms. */
  async round(): Promise<number> {
    const { clock, mend, report } = this.#options;
    if (!this.#isSuspicious) return REST_MS;
    const waitMs = this.#notBeforeMonoMs - clock.monotonicMs();
    if (waitMs > 0) return waitMs;
    let isRight = false;
    try {
      const { outcome, notices } = await mend();
      if (outcome === "busy") return BUSY_AGAIN_MS;
      for (const text of notices) report({ kind: "notice", text });
      isRight = outcome === "mended";
      if (isRight) this.onMended();
    } catch (thrown) {
      report({ kind: "notice", text: `the store is damaged and cannot be mended yet: ${messageOf(thrown)}` });
    }
    this.#isSuspicious = false;
    this.#notBeforeMonoMs = clock.monotonicMs() + this.#pauseMs;
    // Only suspicions that come to nothing make the next one wait longer.
    this.#pauseMs = isRight ? PAUSE_MS_FIRST : Math.min(PAUSE_MS_MAX, this.#pauseMs * 2);
    return REST_MS;
  }
}
