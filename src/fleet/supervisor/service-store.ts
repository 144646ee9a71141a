/**
 * What must survive about supervised services: definitions that were given by command, what is wanted of each
 * instance, and which process it is. It belongs to the machine, not to a server: whoever holds the machine's lock finds
 * here what the daemon before it started.
 *
 * A run is noted before its process is started and its id right after, so a daemon that is killed between the two leaves
 * a run without a process, whose token is in the environment of the process if there is one.
 */
import { prepareLayout } from "../../base/database-layout.ts";
import type { Database } from "../../base/ports/database.ts";
import type { ProcessTree } from "../../base/ports/process-host.ts";
import type { EndReason, RestartHistory } from "./decide-restart.ts";
import { FRESH_HISTORY } from "./decide-restart.ts";
import { KeptNotes, type KeptNotesWorld } from "./kept-notes.ts";
import type { StopPlan } from "./model.ts";

const TABLES = `
CREATE TABLE given(name TEXT PRIMARY KEY, definition TEXT NOT NULL, given_wall_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE instances(
  service TEXT NOT NULL, number INTEGER NOT NULL, successor INTEGER NOT NULL, wanted INTEGER NOT NULL,
  boot TEXT, run TEXT, pid INTEGER, start TEXT, cgroup TEXT, progress TEXT NOT NULL DEFAULT 'begun',
  ending TEXT NOT NULL DEFAULT '', stop TEXT NOT NULL DEFAULT '', started_wall_ms INTEGER, digest TEXT NOT NULL DEFAULT '', restarts INTEGER NOT NULL DEFAULT 0,
  history TEXT NOT NULL DEFAULT '', last_end TEXT NOT NULL DEFAULT '', ended_wall_ms INTEGER,
  PRIMARY KEY(service, number, successor)) WITHOUT ROWID;
`;

/** Makes or completes the tables of `services.db`. @throws FleetError IO when a newer fleetd made the file. */
export const prepareServices = (database: Database): void => prepareLayout(database, [TABLES], "services.db");

/**
 * One of the processes of a service: `number` counts from 1. `successor`: started beside the one it is to follow, while a
 * service is replaced without a gap.
 */
export interface InstanceKey {
  readonly service: string;
  readonly number: number;
  readonly successor: boolean;
}

/** How far a run has come. `started`: its startup probe succeeded; `unready`: it was ready once, and is not. */
export type RunProgress = "begun" | "started" | "unready" | "ready";

/** What follows when nothing of a run is left, and why it ends. */
export interface RunEnding {
  readonly next: "stay" | "start" | "decide";
  readonly why: EndReason;
}

/** How a run is stopped by whoever does not know its definition any more. */
export type StopManner = Pick<StopPlan, "signal" | "to" | "timeoutMs">;

/** The run of an instance as it was noted. `tree` null: started, and its process not noted. */
export interface NotedRun {
  readonly run: string;
  readonly tree: ProcessTree | null;
  readonly progress: RunProgress;
  /** Null while nothing ends it. */
  readonly ending: RunEnding | null;
  /** Null where it was not noted. */
  readonly stop: StopManner | null;
  readonly startedWallMs: number;
  /** Of the definition that it was started with. */
  readonly digest: string;
}

/** A run that is about to begin. */
export type NewRun = Pick<NotedRun, "run" | "digest" | "startedWallMs">;

/** What is known of an instance from before. */
export interface NotedInstance {
  readonly key: InstanceKey;
  readonly wanted: boolean;
  /** Which start of the system it was noted in last; null where the system does not tell its starts apart. */
  readonly boot: string | null;
  readonly run: NotedRun | null;
  readonly restarts: number;
  readonly history: RestartHistory;
  readonly lastEnd: EndReason | null;
  readonly endedWallMs: number | null;
}

/** A definition that was given by command, as it was given. */
export interface GivenDefinition {
  readonly name: string;
  readonly definition: unknown;
}

interface Row extends Record<string, string | number | null> {
  readonly service: string;
  readonly number: number;
  readonly successor: number;
  readonly wanted: number;
  readonly boot: string | null;
  readonly run: string | null;
  readonly pid: number | null;
  readonly start: string | null;
  readonly cgroup: string | null;
  readonly progress: RunProgress;
  readonly ending: string;
  readonly stop: string;
  readonly started_wall_ms: number | null;
  readonly digest: string;
  readonly restarts: number;
  readonly history: string;
  readonly last_end: string;
  readonly ended_wall_ms: number | null;
}

const WHERE = "WHERE service = ? AND number = ? AND successor = ?";

const WANT = `INSERT INTO instances(service, number, successor, wanted, boot) VALUES(?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET wanted = excluded.wanted, boot = excluded.boot`;

/** See the head of this file. */
export class ServiceStore {
  readonly #database: Database;
  readonly #boot: string | null;
  /** What is done before it is noted. */
  readonly #notes: KeptNotes;

  /** `database`: `services.db`, prepared. `boot`: which start of the system this is, where that can be told. */
  constructor(database: Database, boot: string | null, world: KeptNotesWorld) {
    this.#database = database;
    this.#boot = boot;
    this.#notes = new KeptNotes(database, world);
  }

  /** Writes what could not be written until now, if it can be. The database stays open. */
  close(): void {
    this.#notes.close();
  }

  /** Every instance that was ever noted and not forgotten. */
  instances(): NotedInstance[] {
    return this.#database
      .all<Row>("SELECT * FROM instances ORDER BY service, number, successor")
      .map(toNoted);
  }

  /**
   * Notes what a person, or the configuration, wants of these; durable when it returns, all of them or none.
   * @throws FleetError IO when it cannot be noted: then it is not to be done either
   */
  want(keys: readonly InstanceKey[], wanted: boolean): void {
    this.#notes.durably(() => {
      for (const key of keys) this.#database.run(WANT, ...columns(key), Number(wanted), this.#boot);
    });
  }

  /** Notes that nobody wants this any more, which the next daemon would find out by itself. */
  noteUnwanted(key: InstanceKey): void {
    this.#note("wanted", key, WANT, [...columns(key), 0, this.#boot]);
  }

  /** Notes that a process is about to be started; durable when it returns. */
  noteRun(key: InstanceKey, run: NewRun, { signal, to, timeoutMs }: StopManner): void {
    this.#notes.durably(() => {
      this.#database.run(
        `UPDATE instances SET run = ?, boot = ?, digest = ?, started_wall_ms = ?, stop = ?, pid = NULL, start = NULL,
           cgroup = NULL, progress = 'begun', ending = '' ${WHERE}`,
        run.run,
        this.#boot,
        run.digest,
        Math.round(run.startedWallMs),
        JSON.stringify({ signal, to, timeoutMs }),
        ...columns(key),
      );
    });
  }

  /** Notes which process it is. A power cut ends the process, so this need not wait for the disk. */
  noteProcess(key: InstanceKey, tree: ProcessTree): void {
    const { identity, cgroup, run } = tree;
    this.#note("process", key, `UPDATE instances SET run = ?, pid = ?, start = ?, cgroup = ? ${WHERE}`, [
      run,
      identity.pid,
      identity.start,
      cgroup,
      ...columns(key),
    ]);
  }

  noteProgress(key: InstanceKey, progress: RunProgress): void {
    this.#note("progress", key, `UPDATE instances SET progress = ? ${WHERE}`, [progress, ...columns(key)]);
  }

  /** Notes that the run is being ended, and what follows: the next daemon sees to it if this one cannot. */
  noteEnding(key: InstanceKey, ending: RunEnding): void {
    this.#note("ending", key, `UPDATE instances SET ending = ? ${WHERE}`, [
      JSON.stringify(ending),
      ...columns(key),
    ]);
  }

  /** Notes that nothing of the run is left, and what follows from its end. */
  noteEnd(
    key: InstanceKey,
    end: { lastEnd: EndReason | null; restarts: number; history: RestartHistory; endedWallMs: number },
  ): void {
    this.#note(
      "end",
      key,
      `UPDATE instances SET run = NULL, pid = NULL, start = NULL, cgroup = NULL, progress = 'begun', ending = '', last_end = ?,
         restarts = ?, history = ?, ended_wall_ms = ?, boot = ? ${WHERE}`,
      [
        end.lastEnd === null ? "" : JSON.stringify(end.lastEnd),
        end.restarts,
        JSON.stringify({ failures: end.history.failures, isLooping: end.history.isLooping }),
        Math.round(end.endedWallMs),
        this.#boot,
        ...columns(key),
      ],
    );
  }

  /** The successor has become the instance: what was noted of it is noted of the instance now. */
  succeed({ service, number }: Pick<InstanceKey, "service" | "number">): void {
    this.#notes.note(`succeed ${service}:${number}`, [
      { sql: `DELETE FROM instances ${WHERE}`, values: [service, number, 0] },
      { sql: `UPDATE instances SET successor = 0 ${WHERE}`, values: [service, number, 1] },
    ]);
  }

  forget(key: InstanceKey): void {
    this.#note("forget", key, `DELETE FROM instances ${WHERE}`, columns(key));
  }

  /** Definitions that were given by command. */
  given(): GivenDefinition[] {
    return this.#database
      .all<{ name: string; definition: string }>("SELECT name, definition FROM given ORDER BY name")
      .map(({ name, definition }) => ({ name, definition: JSON.parse(definition) }));
  }

  /** Keeps definitions; durable when it returns, all of them or none. */
  give(definitions: readonly GivenDefinition[], nowWallMs: number): void {
    this.#notes.durably(() => {
      for (const { name, definition } of definitions) {
        this.#database.run(
          `INSERT INTO given(name, definition, given_wall_ms) VALUES(?, ?, ?)
           ON CONFLICT DO UPDATE SET definition = excluded.definition, given_wall_ms = excluded.given_wall_ms`,
          name,
          JSON.stringify(definition),
          Math.round(nowWallMs),
        );
      }
    });
  }

  /** They are not given any more; durable when it returns, all of them or none. */
  takeBack(names: readonly string[]): void {
    this.#notes.durably(() => {
      for (const name of names) this.#database.run("DELETE FROM given WHERE name = ?", name);
    });
  }

  #note(what: string, key: InstanceKey, sql: string, values: readonly (string | number | null)[]): void {
    this.#notes.note(`${what} ${columns(key).join(":")}`, [{ sql, values }]);
  }
}

const columns = ({ service, number, successor }: InstanceKey): [string, number, number] => [
  service,
  number,
  Number(successor),
];

function toNoted(row: Row): NotedInstance {
  return {
    key: { service: row.service, number: row.number, successor: row.successor === 1 },
    wanted: row.wanted === 1,
    boot: row.boot,
    run: toRun(row),
    restarts: row.restarts,
    history: row.history === "" ? FRESH_HISTORY : { ...FRESH_HISTORY, ...JSON.parse(row.history) },
    lastEnd: row.last_end === "" ? null : JSON.parse(row.last_end),
    endedWallMs: row.ended_wall_ms,
  };
}

function toRun(row: Row): NotedRun | null {
  const { run, pid, start, cgroup, progress, ending, stop, started_wall_ms, digest } = row;
  if (run === null) return null;
  return {
    run,
    tree: pid === null || start === null ? null : { identity: { pid, start }, run, cgroup },
    progress,
    ending: ending === "" ? null : JSON.parse(ending),
    stop: stop === "" ? null : JSON.parse(stop),
    startedWallMs: started_wall_ms ?? 0,
    digest,
  };
}
