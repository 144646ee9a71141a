/**
 * The monitor becomes another program in its own process: what stands at its path now, with its children, its locks and
 * its process id. Everything is brought to an end as when it stops, but nothing is given away: services are not
 * stopped, the locks stay locked, and what is asked meanwhile is answered before the socket is closed.
 *
 * The one idea: from the moment on when nobody is told any more how a service ended, nothing is waited for until the
 * program is another one. A process that ends meanwhile stays a zombie, and the next program finds out how it ended.
 */
import { FleetError, messageOf } from "../base/errors.ts";
import type { Keepable } from "../base/ports/lock.ts";
import type { ReexecAnswer } from "../http/protocol.ts";
import type { ControlServer } from "../http/server/control-server.ts";
import { execute } from "../platform/execute.ts";
import { type Inherited, inheritedOf, keepFiles, withLegacy } from "../platform/kept-files.ts";
import { clearSocket } from "../platform/socket.ts";
import { findSuccessor, type Successor } from "./find-successor.ts";

/** The answer leaves before anything ends. Chosen, not measured. */
const BEGIN_AFTER_MS = 20;
/** How long whoever found the socket before it was removed may take to be heard; they are in its queue already. Chosen. */
const HEAR_MS = 25;
/** How long what was heard may take to be answered; what takes longer is asked again by its command. Chosen. */
const ANSWER_MS = 1_000;

const SIGHUP = 1;

/** What a daemon has to do with it. */
export interface ReexecOptions {
  readonly version: string;
  readonly server: string;
  readonly startedWallMs: number;
  /** The words that ask a program whether it is content with the configuration. */
  readonly check: readonly string[];
  /** What the next program gets, by name. */
  readonly files: () => ReadonlyMap<string, Keepable>;
  /** Ends the loops. */
  readonly stop: () => void;
  readonly signal: AbortSignal;
}

/** The wish to become another program. */
export class Reexec {
  readonly #options: ReexecOptions;
  #request: Promise<ReexecAnswer> | null = null;
  #successor: Successor | null = null;

  constructor(options: ReexecOptions) {
    this.#options = options;
  }

  /** Set as soon as the loops are to end for it. */
  get successor(): Successor | null {
    return this.#successor;
  }

  /** Tries what stands at the own path, and begins. Asked twice it answers the same. @throws FleetError */
  request(): Promise<ReexecAnswer> {
    this.#request ??= this.#begin();
    const request = this.#request;
    request.catch(() => {
      this.#request = null;
    });
    return request;
  }

  /** Becomes it. Comes back only when that failed: with what this very program inherits from itself, locks included. */
  become(successor: Successor): Inherited {
    const { version: from, server, files } = this.#options;
    const kept = keepFiles(files());
    if (kept === null) throw new Error("What could be kept cannot be kept any more");
    const legacy = { from, server, files: kept.files };
    const reason = successor.isSame() ? replace(successor, legacy) : "it changed after it was tried";
    kept.keepNoLonger();
    return inheritedOf(legacy, reason);
  }

  async #begin(): Promise<ReexecAnswer> {
    const { version: from, startedWallMs, check, files, stop, signal } = this.#options;
    const successor = await findSuccessor(check, signal);
    const kept = keepFiles(files());
    if (kept === null) {
      throw new FleetError(
        "UNAVAILABLE",
        "Cannot replace the running monitor: its lock would be free meanwhile",
        {
          hint: "Stop the monitor and start it again: services run on meanwhile, and the new one adopts them",
        },
      );
    }
    kept.keepNoLonger();
    setTimeout(() => {
      this.#successor = successor;
      stop();
    }, BEGIN_AFTER_MS);
    return { pid: process.pid, startedWallMs, from, version: successor.version };
  }
}

function replace({ start }: Successor, legacy: Parameters<typeof withLegacy>[1]): string {
  try {
    const environment = withLegacy(start.environment, legacy);
    // Until the next program listens it would be ended by somebody who wants the configuration to be read again.
    return execute({ ...start, environment, signals: { byDefault: [], ignored: [SIGHUP] } });
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Answers everybody who found the socket at `path`, which nobody finds from now on. */
export async function answerLast(control: ControlServer, path: string): Promise<void> {
  clearSocket(path);
  await Bun.sleep(HEAR_MS);
  await Promise.race([control.drain(), Bun.sleep(ANSWER_MS)]);
}
