/**
 * Supervision by this daemon, while it holds the machine's role: the supervisor of the room over what this system has,
 * and the work that is done again and again (logs, usage, zombies).
 */
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { Database } from "../../base/ports/database.ts";
import type { ListeningSockets } from "../../base/ports/listening-sockets.ts";
import type { NotifyReceiver, ProbeAnswer } from "../../base/ports/prober.ts";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { InstanceReport } from "../../fleet/supervisor/instance-model.ts";
import type { ProbeWatch } from "../../fleet/supervisor/instance-world.ts";
import { logLimitsOf, resolveService } from "../../fleet/supervisor/resolve-service.ts";
import type { ServiceDetail } from "../../fleet/supervisor/service-detail.ts";
import { prepareServices, ServiceStore } from "../../fleet/supervisor/service-store.ts";
import { nameOf, type ServiceView, viewOf } from "../../fleet/supervisor/service-view.ts";
import { Supervisor, type SupervisorWorld } from "../../fleet/supervisor/supervisor.ts";
import { needsNotify, type ProbeWorld, watchProbes } from "../../fleet/supervisor/watch-probes.ts";
import { makePrivateFolder } from "../../platform/files.ts";
import { openListeningSockets } from "../../platform/listeners/listening-sockets.ts";
import type { MachinePaths } from "../../platform/paths.ts";
import { openNotifyReceiver } from "../../platform/prober/notify-sockets.ts";
import { systemProber } from "../../platform/prober/prober.ts";
import { openProcessTable, openUsageSource } from "../../platform/processes/process-table.ts";
import { openDatabase } from "../../platform/sqlite-database.ts";
import { findAccount } from "../../platform/supervision/accounts.ts";
import { systemFileWatcher } from "../../platform/watch-tree.ts";
import type { Report } from "../events.ts";
import { askProgram, type ProgramQuestion } from "./ask-program.ts";
import { knownServices } from "./known-services.ts";
import { openHost } from "./open-host.ts";
import { prepareStart, surroundingsOf } from "./prepare-start.ts";
import { runStopCommand } from "./run-stop-command.ts";
import { ServiceUsage } from "./sample-usage.ts";
import { detailsOf } from "./service-details.ts";
import { ServiceListeners } from "./service-listeners.ts";
import { ServiceLogs } from "./service-logs.ts";
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
    this.supervisor = new Supervisor(this.#world());
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

  #world(): SupervisorWorld {
    const { clock, boot, report } = this.#options;
    const notify = this.#notify;
    return {
      clock,
      boot,
      onChanged: () => this.#noteChange(),
      undefinedService: (name) => resolveService(name, {}, this.#options.settings().supervisor),
      random: Math.random,
      newRun: () => crypto.randomUUID(),
      host: this.host,
      store: this.store,
      prepare: async (definition, key, notifySocket) => {
        const { start, notes } = await prepareStart(definition, key, notifySocket);
        for (const note of notes) this.#notice(`${definition.name}: ${note}`);
        return {
          ...start,
          listeners: definition.container === null ? await this.#listeners.of(definition, key) : [],
        };
      },
      spool: (key, run) => this.#logs.spool(key, run),
      runStopCommand: async (command, of, signal) => {
        const problem = await runStopCommand(command, of, (question) => this.#ask(question, signal));
        if (problem !== null) this.#notice(problem);
      },
      openNotify: async ({ probes, user, group }, run) => {
        if (notify === null || !needsNotify(probes)) return null;
        const account = await findAccount(user, group);
        return notify.open({ run, userId: account?.uid ?? null });
      },
      endNotify: (run) => notify?.end(run),
      watchProbes: (watch: ProbeWatch) => watchProbes(this.#probeWorld(), watch),
      report: (instance: Instance, what: InstanceReport) =>
        report({ kind: "service", name: nameOf(instance), report: what }),
      onTrouble: (name, detail) => this.#notice(`${name}: ${detail}`),
    };
  }

  #ask(question: ProgramQuestion, signal: AbortSignal): Promise<ProbeAnswer> {
    return askProgram(this.host, this.#options.paths.services, question, signal);
  }

  #probeWorld(): ProbeWorld {
    return {
      clock: this.#options.clock,
      random: Math.random,
      prober: systemProber,
      notify: this.#notify,
      askProgram: async ({ definition, key }, question, signal) =>
        this.#ask({ definition, ...(await surroundingsOf(definition, key)), ...question }, signal),
      // Most say it themselves, and looking at all processes takes milliseconds.
      isMember: ({ tree }, pid) =>
        pid === tree.identity.pid || this.host.members(tree).some((member) => member.pid === pid),
      onStatus: () => this.#options.onChanged(),
    };
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
