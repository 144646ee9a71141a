/**
 * Finds out what `fleetd top` shows: services and monitor from the daemon that supervises, queue and fleet from the
 * files of its server, the machine from the system. What cannot be found out keeps what was known, and is said to be old.
 */

import { messageOf } from "../../base/errors.ts";
import type { ServiceLine } from "../../base/ports/service-log.ts";
import { parseServiceLine } from "../../base/service-line.ts";
import { problemsFirst, worstOf } from "../../fleet/health/model.ts";
import { queueSummary } from "../../fleet/messaging/queue.ts";
import type { DaemonStatus } from "../../http/protocol.ts";
import { systemClock } from "../../platform/clock.ts";
import { type ProcessorTimes, readLoad, readProcessorTimes } from "../../platform/machine-load.ts";
import { readMemory } from "../../platform/memory.ts";
import { serverPaths } from "../../platform/paths.ts";
import { listServers } from "../actions/servers.ts";
import { lastLines } from "../log-past.ts";
import { serviceSource } from "../log-sources.ts";
import { type Session, sessionOf } from "../session.ts";
import type { Settings } from "../settings.ts";
import { type SupervisorClient, supervisorOf } from "../supervisor-client.ts";
import type { TopData, TopMachine, TopMonitor, TopPeer, TopQueue } from "./top-model.ts";

/** So many lines of a log may be scrolled through; `fleetd logs` has all. */
const LOG_LINES_MAX = 1_000;
/** So far back the trend of the machine goes, in looks. */
const TREND_MAX = 60;
/** Who is in the fleet changes slowly: silence is told after minutes. */
const FLEET_EVERY_MS = 5_000;

/** See the head of this file. */
export class TopSource {
  readonly #settings: Settings;
  #client: SupervisorClient;
  #session: Session;
  #data: TopData;
  #revision = 0;
  #times: ProcessorTimes = readProcessorTimes();
  #fleetAtMs = Number.NEGATIVE_INFINITY;

  /** @throws FleetError UNAVAILABLE when no daemon supervises */
  constructor(settings: Settings) {
    this.#settings = settings;
    this.#client = supervisorOf(settings);
    this.#session = this.#openSession();
    this.#data = {
      nowWallMs: systemClock.wallMs(),
      server: this.#client.server,
      monitor: null,
      lost: null,
      services: [],
      queue: null,
      peers: null,
      machine: { cores: this.#times.cores, load: readLoad(), busyTrend: [], memory: null },
    };
  }

  /** The last look. */
  get data(): TopData {
    return this.#data;
  }

  /** Looks anew. @throws FleetError UNAVAILABLE when the daemon does not answer: `lose` then notes that */
  async look(): Promise<TopData> {
    const machine = await this.#lookAtMachine();
    this.#data = { ...this.#data, machine, nowWallMs: systemClock.wallMs() };
    const { services, status } = await this.#client.ask(async (daemon) => {
      const [listed, said] = await Promise.all([daemon.services.list({ fresh: true }), daemon.status()]);
      return { services: listed, status: said };
    });
    this.#revision = services.revision;
    this.#lookAtFleet();
    this.#data = {
      ...this.#data,
      server: this.#client.server,
      monitor: monitorOf(status),
      lost: null,
      services: services.services,
    };
    return this.#data;
  }

  /** The daemon is gone, or is not itself: what is known is old from now on, and another one is looked for. */
  async lose(thrown: unknown): Promise<TopData> {
    const sinceWallMs = this.#data.lost?.sinceWallMs ?? systemClock.wallMs();
    this.#data = {
      ...this.#data,
      nowWallMs: systemClock.wallMs(),
      lost: { sinceWallMs, why: messageOf(thrown) },
    };
    try {
      const client = supervisorOf(this.#settings);
      if (client.server !== this.#client.server) {
        await this.#session.close();
        this.#client = client;
        this.#session = this.#openSession();
        this.#fleetAtMs = Number.NEGATIVE_INFINITY;
      }
    } catch {
      // Nobody has the role: the next round looks again, and the screen says so already.
    }
    return this.#data;
  }

  /** Waits until something has changed, at most `timeoutMs`; false at once when nobody is there to tell. */
  async changed(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    try {
      const since = this.#revision;
      const answer = await this.#client.ask((daemon) => daemon.changes({ since, timeoutMs }, signal));
      return answer.revision > since;
    } catch {
      // The next look says what is wrong.
      return false;
    }
  }

  /** The last lines of an instance, oldest first; none where it never wrote. */
  log(instance: string, limit = LOG_LINES_MAX): readonly ServiceLine[] {
    const source = serviceSource(this.#settings.root, instance, () => false);
    return lastLines(source, parseServiceLine, limit);
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  #openSession(): Session {
    return sessionOf(serverPaths(this.#settings.root, this.#client.server), this.#settings.running);
  }

  async #lookAtMachine(): Promise<TopMachine> {
    const memory = await readMemory();
    const [before, times] = [this.#times, readProcessorTimes()];
    const passedMs = times.totalMs - before.totalMs;
    const { busyTrend } = this.#data.machine;
    // Two looks at once say nothing.
    const isNew = passedMs > 0;
    if (isNew) this.#times = times;
    return {
      cores: times.cores,
      load: readLoad(),
      busyTrend: isNew
        ? [...busyTrend.slice(1 - TREND_MAX), (times.busyMs - before.busyMs) / passedMs]
        : busyTrend,
      memory: memory.ok ? memory.value : null,
    };
  }

  #lookAtFleet(): void {
    const nowMs = systemClock.monotonicMs();
    const isDue = nowMs - this.#fleetAtMs >= FLEET_EVERY_MS;
    if (isDue) this.#fleetAtMs = nowMs;
    this.#data = {
      ...this.#data,
      queue: this.#queue(),
      peers: isDue ? this.#peers() : this.#data.peers,
    };
  }

  #queue(): TopQueue | null {
    return orNull(() => {
      const { waiting, oldestWallMs, dead } = queueSummary(this.#session.mailbox().state);
      return { waiting, oldestWallMs, dead };
    });
  }

  #peers(): readonly TopPeer[] | null {
    return orNull(() =>
      listServers(this.#session)
        .filter(({ forgotten }) => !forgotten)
        .map(({ server, presence }) => ({ server, presence })),
    );
  }
}

/** Null where the files cannot be read: that is shown as unknown, and `doctor` says why. */
function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}

function monitorOf(status: DaemonStatus): TopMonitor {
  const { version, pid, startedWallMs, health, lastFetchWallMs, lastPushWallMs, trouble, remote } = status;
  const checks = (health?.checks ?? []).filter(({ id }) => id !== "services");
  return {
    version,
    pid,
    startedWallMs,
    verdict: checks.length === 0 ? null : worstOf(checks.map((check) => check.verdict)),
    problem: problemsFirst(checks)[0]?.evidence ?? null,
    lastFetchWallMs,
    lastPushWallMs,
    trouble,
    breaker: remote.breaker.state,
  };
}
