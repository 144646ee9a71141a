import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import type { InstanceReport } from "../../src/fleet/supervisor/instance-model.ts";
import type { ProbeWatch } from "../../src/fleet/supervisor/instance-world.ts";
import type { KnownService } from "../../src/fleet/supervisor/known-instances.ts";
import type { ServiceDefinition } from "../../src/fleet/supervisor/model.ts";
import { parseServiceDefinition } from "../../src/fleet/supervisor/parse-service.ts";
import { prepareServices, ServiceStore } from "../../src/fleet/supervisor/service-store.ts";
import { nameOf, stateOf } from "../../src/fleet/supervisor/service-view.ts";
import { Supervisor, type SupervisorWorld } from "../../src/fleet/supervisor/supervisor.ts";
import { FakeClock } from "./fake-clock.ts";
import { MemoryDatabase } from "./memory-database.ts";
import { MemoryHost } from "./memory-host.ts";

/** A definition as a file would have it, complete. */
export function definitionOf(name: string, file: Record<string, unknown> = {}): ServiceDefinition {
  const parsed = parseServiceDefinition(
    name,
    { command: ["/bin/true"], ...file },
    DEFAULT_SETTINGS.supervisor,
  );
  if (!parsed.ok) throw new Error(parsed.error.map(({ message }) => message).join());
  return parsed.value;
}

/** The same as a supervisor knows it. */
export const knownOf = (name: string, file: Record<string, unknown> = {}): KnownService => {
  const definition = definitionOf(name, file);
  return { definition, digest: JSON.stringify(definition.command), origin: "configured" };
};

/** A supervisor over a host, a store and a clock that the test moves; `next` is the daemon after it. */
export class MemorySupervisor {
  readonly clock: FakeClock;
  readonly host: MemoryHost;
  readonly database: MemoryDatabase;
  readonly store: ServiceStore;
  readonly supervisor: Supervisor;
  /** What was told, as `"web started"`. */
  readonly told: string[] = [];
  /** Probes at work, by instance name. */
  readonly probes = new Map<string, ProbeWatch>();
  /** Lines that probes were told of. */
  readonly heard: string[] = [];
  #runs = 0;

  constructor(before: MemorySupervisor | null = null, boot = "boot") {
    this.clock = before?.clock ?? new FakeClock();
    this.host = before?.host ?? new MemoryHost();
    this.database = before?.database ?? new MemoryDatabase();
    if (before !== null) this.#runs = before.#runs;
    prepareServices(this.database);
    this.store = new ServiceStore(this.database, boot, {
      clock: this.clock,
      onTrouble: (detail) => this.told.push(`store trouble: ${detail}`),
      onWell: () => this.told.push("store well"),
    });
    this.supervisor = new Supervisor(this.world(boot));
  }

  /** What each instance does, in words: `{ web: "running" }`. */
  get states(): Record<string, string> {
    return Object.fromEntries(
      this.supervisor.instances.map((instance) => [
        `${nameOf(instance)}${instance.key.successor ? "'" : ""}`,
        stateOf(instance),
      ]),
    );
  }

  /** Lets everything come to rest. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn += 1) await this.clock.advance(0);
  }

  /** What the supervisor acts through. */
  world(boot: string): SupervisorWorld {
    return {
      clock: this.clock,
      boot,
      undefinedService: (name) => definitionOf(name),
      random: () => 0.5,
      newRun: () => {
        this.#runs += 1;
        return `run-${this.#runs}`;
      },
      host: this.host,
      store: this.store,
      prepare: ({ command, user, group }) =>
        Promise.resolve({
          command: command?.words ?? [],
          cwd: "/",
          environment: {},
          user,
          group,
          listeners: [],
        }),
      spool: (_, run) => `/spool-${run}`,
      runStopCommand: () => {
        this.told.push("stop command");
        return Promise.resolve();
      },
      openNotify: () => Promise.resolve(null),
      endNotify: () => undefined,
      watchProbes: (watch) => {
        const { service, number, successor } = watch.key;
        const name = `${service}${number === 1 ? "" : `:${number}`}${successor ? "'" : ""}`;
        this.probes.set(name, watch);
        return {
          line: (text) => void this.heard.push(text),
          answers: () => ({}),
          stop: () => this.probes.delete(name),
        };
      },
      onChanged: () => undefined,
      report: (instance, report: InstanceReport) => this.told.push(`${nameOf(instance)} ${report.kind}`),
      onTrouble: (name, detail) => this.told.push(`${name} trouble: ${detail}`),
    };
  }
}
