/**
 * The remote of a simulated fleet and the way to it. Calls take time, and every part of the way may fail: the question,
 * what it does there, and the answer. A push that has left a machine happens whether anybody waits for it or not.
 */
import type {
  GitRemote,
  RefReport,
  RefUpdate,
  RemoteFailure,
  RemoteOptions,
} from "../../src/base/ports/git-remote.ts";
import type { NetworkCheck, NetworkReport } from "../../src/base/ports/network-check.ts";
import { fail, ok, type Result } from "../../src/base/result.ts";
import { type MemoryConnection, MemoryRemote } from "../helpers/memory-git.ts";
import type { Chance } from "./chance.ts";
import { type Life, never } from "./life.ts";
import type { SimStore } from "./sim-store.ts";
import type { Timeline } from "./timeline.ts";

/** What happens to one push. `cut`: it never arrives. `mute`: it arrives, and nobody hears of it. `late`: after ms. */
export type PushTrouble = { readonly kind: "cut" | "mute" } | { readonly kind: "late"; readonly ms: number };

/** How one machine reaches the remote right now. `refused` fails at once, `silent` never answers. */
export class Way {
  /** How many faults shut the way, each of its kind. */
  readonly shut = { refused: 0, silent: 0 };
  /** Calls take so many times as long. */
  slowness = 1;
  /** Until when the remote asks to be left alone, true time. */
  limitedUntilMs = 0;
  readonly pushTroubles: PushTrouble[] = [];

  /** Whether a call gets through right now. */
  is(state: "open" | "refused" | "silent"): boolean {
    const { refused, silent } = this.shut;
    if (refused > 0) return state === "refused";
    return state === (silent > 0 ? "silent" : "open");
  }
}

/** A ref that moved, and who moved it. */
export interface Move {
  readonly ref: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly by: string;
}

/** See the head of this file. */
export class Network {
  readonly remote = new MemoryRemote();
  /** Whether the remote is a folder: then whoever watches it learns at once what moved. */
  readonly isFolder: boolean;
  /** How often anything moved. */
  version = 0;
  onMove: (move: Move) => void = () => undefined;
  readonly #timeline: Timeline;

  constructor(timeline: Timeline, isFolder: boolean) {
    this.#timeline = timeline;
    this.isFolder = isFolder;
  }

  /** Moves a ref as anybody with access can. */
  move(ref: string, to: string | null, by: string): void {
    const from = this.remote.refs.get(ref) ?? null;
    if (from === to) return;
    if (to === null) this.remote.refs.delete(ref);
    else this.remote.refs.set(ref, to);
    this.#moved({ ref, from, to, by });
  }

  /** Lets the second half of a push happen. */
  land(
    prepared: ReturnType<MemoryConnection["prepare"]>,
    updates: readonly RefUpdate[],
    by: string,
  ): RefReport[] {
    const before = updates.map(({ ref }) => this.remote.refs.get(ref) ?? null);
    const reports = prepared.land();
    for (const [position, { ref, id }] of updates.entries()) {
      const from = before[position] ?? null;
      if (reports[position]?.status === "pushed") this.#moved({ ref, from, to: id, by });
    }
    return reports;
  }

  /** The remote as one process of `server` sees it. */
  connect(life: Life, from: { server: string; store: SimStore; way: Way; chance: Chance }): GitRemote {
    return new RemotePort({ ...from, life, network: this, timeline: this.#timeline });
  }

  #moved(move: Move): void {
    this.version += 1;
    this.onMove(move);
  }
}

interface Place {
  readonly server: string;
  readonly store: SimStore;
  readonly way: Way;
  readonly chance: Chance;
  readonly life: Life;
  readonly network: Network;
  readonly timeline: Timeline;
}

const UNREACHABLE: RemoteFailure = { kind: "unreachable", detail: "connection refused" };
const HUNG_UP: RemoteFailure = { kind: "unreachable", detail: "the remote end hung up unexpectedly" };
const TIMEOUT: RemoteFailure = { kind: "timeout", detail: "no answer before the deadline" };

/** One call under way: how much of its time is left. */
interface Call {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

class RemotePort implements GitRemote {
  readonly displayUrl: string;
  readonly folder: string | null;
  readonly #place: Place;
  readonly #connection: MemoryConnection;

  constructor(place: Place) {
    this.#place = place;
    this.#connection = place.network.remote.connect(place.store);
    this.folder = place.network.isFolder ? "/remote.git" : null;
    this.displayUrl = this.folder ?? "git://host.example/remote.git";
  }

  listsCheaply(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async fetch(refspecs: readonly string[], options: RemoteOptions) {
    const call = this.#begin(options);
    const failure = await this.#travel(call, 60);
    if (failure !== null) return fail(failure);
    const fetched = await this.#connection.fetch(refspecs, options);
    return fetched;
  }

  async listRefs(prefixes: readonly string[], options: RemoteOptions) {
    const call = this.#begin(options);
    const failure = await this.#travel(call, 20);
    return failure === null ? await this.#connection.listRefs(prefixes, options) : fail(failure);
  }

  async push(
    updates: readonly RefUpdate[],
    options: RemoteOptions & { readonly atomic: boolean },
  ): Promise<Result<RefReport[], RemoteFailure>> {
    const { way, network, timeline, server, life, chance } = this.#place;
    const call = this.#begin(options);
    const failure = await this.#travel(call, 80);
    if (failure !== null) return fail(failure);
    const trouble = way.pushTroubles.shift() ?? null;
    if (trouble?.kind === "cut") return fail(chance.isTrue(0.5) ? HUNG_UP : await this.#hang(call));
    const prepared = this.#connection.prepare(updates, options);
    if (!prepared.reports.some(({ status }) => status === "pushed")) return ok([...prepared.reports]);
    // From here on the push is the remote's own: whoever sent it may die, or give up.
    const landed = new Promise<RefReport[]>((resolve) => {
      const afterMs = trouble?.kind === "late" ? trouble.ms : chance.magnitude(1, 40) * way.slowness;
      timeline.after(afterMs, () => resolve(network.land(prepared, updates, server)));
    });
    if (trouble?.kind === "mute" && chance.isTrue(0.5)) return fail(await this.#hang(call));
    const reports = await Promise.race([landed, this.#whenOver(call)]);
    if (life.isOver) return await never();
    if (reports === null) return fail(TIMEOUT);
    if (trouble !== null) return fail(HUNG_UP);
    const lost = await this.#travel(call, 10);
    return lost === null ? ok(reports) : fail(lost);
  }

  clearStaleLock(ref: string, nowWallMs: number): string | null {
    this.#place.life.call();
    return this.folder === null ? null : this.#connection.clearStaleLock(ref, nowWallMs);
  }

  #begin({ timeoutMs, signal }: RemoteOptions): Call {
    this.#place.life.call();
    return { deadlineMs: this.#place.timeline.nowMs + timeoutMs, signal };
  }

  /** One way of a call; null when it was made. */
  async #travel(call: Call, usualMs: number): Promise<RemoteFailure | null> {
    const { way, chance, timeline, life } = this.#place;
    if (life.isOver) return await never();
    if (call.signal.aborted) return { kind: "timeout", detail: "Stopped before git had ended" };
    if (way.is("silent")) return await this.#hang(call);
    const ms = Math.round(chance.magnitude(Math.max(1, usualMs / 4), usualMs * 4) * way.slowness);
    const leftMs = call.deadlineMs - timeline.nowMs;
    if (ms >= leftMs) return await this.#hang(call);
    await life.sleep(ms, call.signal).catch(() => undefined);
    if (call.signal.aborted) return { kind: "timeout", detail: "Stopped before git had ended" };
    if (way.is("refused")) return UNREACHABLE;
    if (way.is("silent")) return await this.#hang(call);
    const limitedMs = way.limitedUntilMs - timeline.nowMs;
    if (limitedMs > 0) return { kind: "failed", detail: "429 Too Many Requests", retryAfterMs: limitedMs };
    return null;
  }

  async #hang(call: Call): Promise<RemoteFailure> {
    await this.#whenOver(call);
    return TIMEOUT;
  }

  async #whenOver({ deadlineMs, signal }: Call): Promise<null> {
    const { life, timeline } = this.#place;
    await life.sleep(Math.max(0, deadlineMs - timeline.nowMs), signal).catch(() => undefined);
    return null;
  }
}

/** The look at the network that needs no git. */
export function simNetworkCheck(
  life: Life,
  from: { way: Way; chance: Chance; isFolder: boolean },
): NetworkCheck {
  const { way, chance, isFolder } = from;
  const target = isFolder ? "/remote.git" : "host.example:9418";
  const report = (failure: string | null): NetworkReport => {
    return { ok: failure === null, skipped: null, target, stages: [], failure };
  };
  return {
    host: isFolder ? null : "host.example",
    isNoticed: false,
    async check({ timeoutMs, signal }) {
      life.call();
      const ms = isFolder ? 0 : chance.magnitude(2, 100) * way.slowness;
      const isOpen = !way.is("refused") && ms < timeoutMs;
      await life.sleep(Math.min(ms, timeoutMs), signal).catch(() => undefined);
      // A remote that takes connections and says nothing passes every look.
      return report(isOpen && !way.is("refused") ? null : "connection refused");
    },
  };
}
