/**
 * What a running daemon does about damaged files. The index is begun anew between two looks; the store is examined and
 * mended by its keeper; with a damaged state the daemon ends, since only that file has what was promised and not yet
 * pushed, and nobody but the operator decides what becomes of it.
 */
import { messageOf } from "../base/errors.ts";
import { serversWithAlarm } from "../fleet/messaging/index-troubles.ts";
import { UNREADABLE, UNREADABLE_CARD } from "../fleet/messaging/ingest-log.ts";
import { systemClock } from "../platform/clock.ts";
import { findStoreProblem } from "../platform/git/inspect-store.ts";
import type { Report } from "./events.ts";
import { keepIdentityCopy } from "./identity-copy.ts";
import { StoreKeeper } from "./loops/store-loop.ts";
import { mendStore } from "./mend-store.ts";
import type { Mailbox } from "./open-mailbox.ts";
import { isIndexDamage, isStateDamage } from "./renewable-index.ts";

/** Mending may have to fetch everything again. Chosen, not measured. */
const FETCH_TIMEOUT_MS = 10 * 60_000;

/** How one daemon mends. */
export interface Mending {
  readonly keeper: StoreKeeper;
  readonly report: Report;
  /** Puts a store in order that git could not open. @throws FleetError */
  prepare(): Promise<void>;
  /** A round of receiving, with an index that is whole at its beginning. */
  receive(round: () => Promise<number>): Promise<number>;
  /** What a loop does with a failure. */
  onError(thrown: unknown): void;
  /** @throws FleetError IO when the daemon ends because its state is damaged */
  throwIfLost(): void;
}

/** Watches over the files of a daemon. `end`: stops it. */
export function mendWhileRunning(
  mailbox: Mailbox,
  daemon: { readonly signal: AbortSignal; readonly report: Report; readonly end: () => void },
): Mending {
  const ask = { timeoutMs: FETCH_TIMEOUT_MS, signal: daemon.signal };
  const mend = () => mendStore(mailbox, ask);
  const keeper = new StoreKeeper({ clock: systemClock, mend, report: daemon.report });
  let lost: { readonly thrown: unknown } | null = null;
  const { paths, identity } = mailbox;
  return {
    keeper,
    report(event) {
      keeper.note(event);
      daemon.report(event);
    },
    async prepare() {
      keepIdentityCopy(paths.folder, identity);
      if (findStoreProblem(paths.store, identity.format) === null) return;
      for (const text of (await mend()).notices) daemon.report({ kind: "notice", text });
    },
    async receive(round) {
      const index = mailbox.index();
      if (index.renew())
        daemon.report({ kind: "notice", text: `${paths.index} was damaged and is made anew` });
      try {
        const pauseMs = await round();
        if (serversWithAlarm(index, [UNREADABLE, UNREADABLE_CARD]).size > 0) keeper.suspect();
        return index.damage === null ? pauseMs : 0;
      } catch (thrown) {
        if (!isIndexDamage(thrown)) throw thrown;
        index.noteDamage(thrown);
        return 0;
      }
    },
    onError(thrown) {
      const event = { kind: "failed", detail: messageOf(thrown) } as const;
      keeper.note(event);
      daemon.report(event);
      if (isIndexDamage(thrown)) mailbox.index().noteDamage(thrown);
      if (!isStateDamage(thrown)) return;
      lost ??= { thrown };
      daemon.end();
    },
    throwIfLost() {
      if (lost !== null) throw lost.thrown;
    },
  };
}
