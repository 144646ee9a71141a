/**
 * What is checked while a run goes on: who sees everything that moves on the remote, and everything that a server
 * says to those who send, can tell at once what a look at the end might miss.
 */
import { fromUtf8 } from "../../src/base/bytes.ts";
import { HOPS_MAX } from "../../src/fleet/messaging/model.ts";
import type { RemoteEntry } from "../helpers/fleet-checker.ts";
import { filesOf, parentsOf } from "../helpers/memory-git.ts";
import { parseLog } from "../helpers/wire-log.ts";
import type { Move, Network } from "./network.ts";

/** A promise that was broken. `rule`: one of the judge's, or one that only a run can tell. */
export interface Broken {
  readonly rule: string;
  readonly detail: string;
  readonly atMs: number;
}

/** Automatic answers: so many at once, and as many more in each hour. */
export interface AnswerBound {
  readonly perHost: number;
  readonly perPeer: number;
}

const HOUR_MS = 3_600_000;
const LOGS = "refs/fleet/log/";

/** A bucket that leaks as fast as tokens come: it overflows exactly when somebody answered too much. */
class Leak {
  #level = 0;
  #atMs = 0;

  /** One more answer; whether it is one too many. */
  add(nowMs: number, capacity: number): boolean {
    this.#level = Math.max(0, this.#level - ((nowMs - this.#atMs) * capacity) / HOUR_MS) + 1;
    this.#atMs = nowMs;
    // A thousandth of a token is what rounding to milliseconds may come to.
    return this.#level > capacity + 0.001;
  }

  /** A clock that is set forward fills buckets as time does. */
  forward(byMs: number, capacity: number): void {
    this.#level = Math.max(0, this.#level - (byMs * capacity) / HOUR_MS);
  }
}

/** See the head of this file. */
export class Checks {
  readonly broken: Broken[] = [];
  /** When an entry first was on the remote, by `"<writer> <id>"`. */
  readonly arrivedMs = new Map<string, number>();
  /** Automatic answers of every server. */
  readonly answers = new Map<string, number>();
  readonly #entries = new Map<string, RemoteEntry>();
  readonly #bodies = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #hosts = new Map<string, Leak>();
  readonly #peers = new Map<string, Leak>();
  readonly #bound: AnswerBound;
  readonly #honest: ReadonlySet<string>;
  readonly #network: Network;
  readonly #nowMs: () => number;

  constructor(network: Network, honest: ReadonlySet<string>, bound: AnswerBound, nowMs: () => number) {
    this.#network = network;
    this.#honest = honest;
    this.#bound = bound;
    this.#nowMs = nowMs;
  }

  break(rule: string, detail: string): void {
    this.broken.push({ rule, detail, atMs: this.#nowMs() });
  }

  /** A server wrote an automatic answer to `peer`, for good. */
  noteAnswer(server: string, peer: string): void {
    this.answers.set(server, (this.answers.get(server) ?? 0) + 1);
    const isTooMuch = leakOf(this.#hosts, server).add(this.#nowMs(), this.#bound.perHost);
    if (isTooMuch) this.break("bound", `${server} answers more than ${this.#bound.perHost} times an hour`);
    if (leakOf(this.#peers, `${server} ${peer}`).add(this.#nowMs(), this.#bound.perPeer)) {
      this.break("bound", `${server} answers ${peer} more than ${this.#bound.perPeer} times an hour`);
    }
  }

  /** The clock of a server was set forward. */
  noteForward(server: string, byMs: number): void {
    leakOf(this.#hosts, server).forward(byMs, this.#bound.perHost);
    for (const [name, leak] of this.#peers) {
      if (name.startsWith(`${server} `)) leak.forward(byMs, this.#bound.perPeer);
    }
  }

  /** Whether a message was ever on the remote. */
  hasArrived({ server, body }: { readonly server: string; readonly body: string }): boolean {
    return this.#bodies.has(`${server} ${body}`);
  }

  /** A ref moved. Answers the entries that are new on the remote. */
  noteMove(move: Move): readonly RemoteEntry[] {
    if (!move.ref.startsWith(LOGS) || move.to === null) return [];
    const writer = move.ref.slice(LOGS.length);
    if (writer !== move.by) return [];
    const fresh = this.#freshBlobs(move.to);
    const entries = parseLog(writer, fresh);
    for (const entry of entries) this.#noteEntry(entry);
    return entries;
  }

  #freshBlobs(tip: string): string[] {
    const { objects } = this.#network.remote;
    const blobs: string[] = [];
    for (let id: string | undefined = tip; id !== undefined && !this.#seen.has(id); ) {
      this.#seen.add(id);
      const commit = objects.get(id);
      if (commit === undefined) break;
      const blob = objects.get(filesOf(commit, objects).get("entries.jsonl") ?? "");
      blobs.unshift(fromUtf8(blob?.content ?? new Uint8Array(0)) ?? "");
      id = parentsOf(commit)[0];
    }
    return blobs;
  }

  #noteEntry(entry: RemoteEntry): void {
    const key = `${entry.writer} ${entry.id}`;
    if (!this.arrivedMs.has(key)) this.arrivedMs.set(key, this.#nowMs());
    this.#entries.set(entry.id, entry);
    this.#bodies.add(`${entry.writer} ${entry.body}`);
    if (!entry.auto || !this.#honest.has(entry.writer)) return;
    const question = entry.inReplyTo === null ? undefined : this.#entries.get(entry.inReplyTo);
    const what = `${entry.writer}#${entry.seq}`;
    if (question?.auto === true) this.break("loop", `${what} answers an automatic message automatically`);
    if (question !== undefined && entry.to.join() !== question.from)
      this.break("loop", `${what} answers others than who asked`);
    if ((entry.hops ?? 0) > HOPS_MAX) this.break("loop", `${what} has ${entry.hops} hops`);
  }
}

function leakOf(leaks: Map<string, Leak>, name: string): Leak {
  const leak = leaks.get(name) ?? new Leak();
  leaks.set(name, leak);
  return leak;
}
