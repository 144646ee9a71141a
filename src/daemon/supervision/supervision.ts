/**
 * Supervision by this daemon, while it holds the machine's role: the supervisor of the room over what this system has,
 * and the work that is done again and again (logs, usage, zombies).
 */
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { Database } from "../../base/ports/database.ts";
import type { ListeningSockets } from "../../base/ports/listening-sockets.ts";
import type { NotifyReceiver } from "../../base/ports/prober.ts";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import { logLimitsOf } from "../../fleet/supervisor/resolve-service.ts";
import type { ServiceDetail } from "../../fleet/supervisor/service-detail.ts";
import { prepareServices, ServiceStore } from "../../fleet/supervisor/service-store.ts";
import { type ServiceView, viewOf } from "../../fleet/supervisor/service-view.ts";
import { Supervisor } from "../../fleet/supervisor/supervisor.ts";
import { makePrivateFolder } from "../../platform/files.ts";
import { openListeningSockets } from "../../platform/listeners/listening-sockets.ts";
import type { MachinePaths } from "../../platform/paths.ts";
import { openNotifyReceiver } from "../../platform/prober/notify-sockets.ts";
import { openProcessTable, openUsageSource } from "../../platform/processes/process-table.ts";
import { openDatabase } from "../../platform/sqlite-database.ts";
import { systemFileWatcher } from "../../platform/watch-tree.ts";
import type { Report } from "../events.ts";
import { knownServices } from "./known-services.ts";
import { openHost } from "./open-host.ts";
import { ServiceUsage } from "./sample-usage.ts";
import { detailsOf } from "./service-details.ts";
import { ServiceListeners } from "./service-listeners.ts";
import { ServiceLogs } from "./service-logs.ts";
import { supervisorWorld } from "./supervisor-world.ts";
import { WatchFiles } from "./watch-files.ts";

/** What supervision needs of the daemon. */
export interface SupervisionOptions {
  readonly paths: MachinePaths;
  readonly clock: Clock;
  readonly boot: string | null;
  readonly settings: () => Pick<ServerSettings, "services" | "supervisor">;
  readonly report: Report;
  /** Something that is shown is different now. */
  readonly onChanged: () => void;
}

/** Logs are looked at so often while something is written, and when nothing is. Chosen: a person sees no delay. */
const PUMP_BUSY_MS = 20;
const PUMP_IDLE_MS = 250;

/**
 * How long somebody else's transaction in `services.db` is waited for: the whole daemon waits with it, and nobody but it
 * writes there. Chosen.
 */
const BUSY_MS = 250;

/** See the head of this file. */
export class Supervision {
  readonly host: ProcessHost;
  readonly supervisor: Supervisor;
  readonly store: ServiceStore;
  readonly #options: SupervisionOptions;
  readonly #database: Database;
  readonly #logs: ServiceLogs;
  readonly #notify: NotifyReceiver | null;
  readonly #usage: ServiceUsage;
  readonly #listeners: ServiceListeners;
  readonly #files: WatchFiles;

  private constructor(parts: {
    options: SupervisionOptions;
    database: Database;
    store: ServiceStore;
    host: ProcessHost;
    usage: ServiceUsage;
    sockets: ListeningSockets;
  }) {
    const { options, database, store, host, usage, sockets } = parts;
    this.host = host;
    this.#options = options;
    this.#database = database;
    this.#usage = usage;
    this.store = store;
    this.#notify = openNotifyReceiver(join(options.paths.services, ".notify"));
    this.#logs = new ServiceLogs({
      folder: options.paths.services,
      clock: options.clock,
      instances: () => this.supervisor.instances,
      standard: () => logLimitsOf({}, options.settings().supervisor),
      onTrouble: (folder, detail) => this.#notice(`the log "${folder}" cannot be written: ${detail}`),
      onRecovered: (folder, lost) =>
        this.#notice(`the log "${folder}" is written again, ${lost} line(s) were lost`),
    });
    this.#listeners = new ServiceListeners({
      sockets,
      members: (tree) => host.members(tree),
      listeners: async (port) => (await openProcessTable()).listeners(port),
      instances: () => this.supervisor.instances,
      notice: (text) => this.#notice(text),
    });
    this.#files = new WatchFiles({
      clock: options.clock,
      watcher: systemFileWatcher,
      instances: () => this.supervisor.instances,
      renew: (service, path) => this.#renew(service, path),
      notice: (text) => this.#notice(text),
    });
    this.supervisor = new Supervisor(
      supervisorWorld({
        ...options,
        host,
        store,
        notify: this.#notify,
        logs: this.#logs,
        listeners: this.#listeners,
        notice: (text) => this.#notice(text),
        onChanged: () => this.#noteChange(),
        onStatus: () => options.onChanged(),
      }),
    );
  }

  /** Opens what the system has, takes up what earlier daemons started, and starts what is wanted. @throws FleetError */
  static async open(options: SupervisionOptions): Promise<Supervision> {
    makePrivateFolder(options.paths.services);
    const { report, clock, boot } = options;
    const database = openDatabase(options.paths.state, {
      create: true,
      durability: "full",
      busyMs: BUSY_MS,
    });
    let host: ProcessHost | null = null;
    let supervision: Supervision | null = null;
    try {
      prepareServices(database);
      const store = new ServiceStore(database, boot, {
        clock,
        onTrouble: (detail) =>
          report({ kind: "notice", text: `what services do is noted later, it cannot be now: ${detail}` }),
        onWell: () => report({ kind: "notice", text: "what services do is noted again" }),
      });
      const { cgroup } = options.settings().supervisor;
      host = await openHost({ ...options.paths, store, usesControlGroups: cgroup === "auto" });
      const [source, sockets] = await Promise.all([openUsageSource(), openListeningSockets()]);
      const usage = new ServiceUsage(source, clock, host);
      supervision = new Supervision({ options, database, store, host, usage, sockets });
      supervision.#begin();
      return supervision;
    } catch (thrown) {
      // What was begun already must not go on over a database that is closed.
      if (supervision !== null) supervision.letGo();
      else {
        host?.close();
        database.close();
      }
      throw thrown;
    }
  }

  /** The configuration, or what was given, is another one. */
  redefine(): void {
    const { services, unreadable } = knownServices(this.#options.settings(), this.store);
    this.supervisor.redefine(services, new Set(unreadable.keys()));
  }

  /** Everything there is to see. */
  views(): readonly ServiceView[] {
    return this.supervisor.instances.map((instance) => this.#viewOf(instance));
  }

  /** Looks at what services use, for somebody who watches: at most once a second, whoever asks. */
  async refresh(): Promise<void> {
    await this.#usage.refresh(this.supervisor.instances);
  }

  /** Everything there is to know of these instances. */
  async details(instances: readonly Instance[]): Promise<readonly ServiceDetail[]> {
    const viewOf = (instance: Instance): ServiceView => this.#viewOf(instance);
    return await detailsOf(instances, { table: await openProcessTable(), host: this.host, viewOf });
  }

  /** Reads what services wrote. Answers how long to wait, ms. */
  pump(): number {
    return this.#logs.pump() ? PUMP_BUSY_MS : PUMP_IDLE_MS;
  }

  /** Removes lines that are too old. Answers how long to wait, ms. */
  expireLogs(): number {
    return this.#logs.expire();
  }

  /** Stops services that were given by command, and forgets them and what they wrote. */
  forget(instances: readonly Instance[]): Promise<void> {
    // What cannot be noted is thrown here and now, to whoever asked.
    const gone = this.supervisor.forget(instances);
    const names = new Set(instances.map(({ key }) => key.service));
    return (
      gone
        .then(() => {
          for (const name of names) this.#logs.forget(name);
        })
        // Lines that cannot be removed now go with their age.
        .catch((thrown: unknown) => this.#notice(messageOf(thrown)))
    );
  }

  /** Looks at what services use, and ends what uses too much. Answers how long to wait, ms. */
  async sample(): Promise<number> {
    this.host.reap();
    await this.#usage.look(this.supervisor.instances);
    if (!this.host.abilities.enforces.memory) {
      for (const instance of this.supervisor.instances) this.#checkMemory(instance);
    }
    return this.#options.settings().supervisor.sample;
  }

  /** Lets go of everything; services run on unless they are told to stop before. */
  async close(): Promise<void> {
    const { keep_children: isKept } = this.#options.settings().supervisor;
    if (!isKept) await this.supervisor.stopAll();
    this.letGo();
  }

  /** The same, at once, and whatever is set: another program supervises in this process from now on. */
  letGo(): void {
    this.#files.close();
    this.supervisor.detach();
    // What was written until now is in the log when the daemon is gone.
    for (let calls = 0; calls < LAST_PUMPS_MAX && this.#logs.pump(); calls += 1);
    this.#logs.close();
    this.#notify?.close();
    this.#listeners.close();
    this.#usage.close();
    this.host.close();
    this.store.close();
    this.#database.close();
  }

  #viewOf(instance: Instance): ServiceView {
    return viewOf(instance, {
      nowMonoMs: this.#options.clock.monotonicMs(),
      origin: this.supervisor.originOf(instance),
      awaits: this.supervisor.awaitedBy(instance),
      ...this.#usage.of(instance.run?.run),
    });
  }

  #begin(): void {
    const { services, unreadable } = knownServices(this.#options.settings(), this.store);
    for (const [name, why] of unreadable) {
      this.#notice(`the definition of "${name}" cannot be read, its processes are left alone: ${why}`);
    }
    this.supervisor.begin(services, new Set(unreadable.keys()));
    this.#listeners.takeBack();
    this.#files.refresh();
    this.#logs.takeUp(new Set(unreadable.keys()));
  }

  #checkMemory(instance: Instance): void {
    const { memoryBytes } = instance.definition.limits;
    const usage = memoryBytes === null ? null : this.#usage.lastOf(instance.run?.run);
    if (memoryBytes === null || usage === null || usage.residentBytes <= memoryBytes) return;
    const [used, allowed] = [usage.residentBytes, memoryBytes].map((bytes) => Math.round(bytes / 1024 ** 2));
    instance.apply({ kind: "unwell", why: { kind: "memory", detail: `${used} MiB of ${allowed} MiB` } });
  }

  async #renew(service: string, path: string): Promise<void> {
    for (const { name, detail } of await this.supervisor.renew(service, { kind: "watch", detail: path })) {
      this.#notice(`${name}: "${path}" changed, and a new run failed: ${detail}; the old one runs on`);
    }
  }

  #noteChange(): void {
    this.#listeners.release();
    this.#files.refresh();
    this.#options.onChanged();
  }

  #notice(text: string): void {
    this.#options.report({ kind: "notice", text });
  }
}

const LAST_PUMPS_MAX = 200;
