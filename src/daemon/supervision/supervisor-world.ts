/** What the supervisor of the room acts through: everything of this system that services are made of. */
import type { NotifyReceiver, ProbeAnswer } from "../../base/ports/prober.ts";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { InstanceReport } from "../../fleet/supervisor/instance-model.ts";
import { resolveService } from "../../fleet/supervisor/resolve-service.ts";
import type { ServiceStore } from "../../fleet/supervisor/service-store.ts";
import { nameOf } from "../../fleet/supervisor/service-view.ts";
import type { SupervisorWorld } from "../../fleet/supervisor/supervisor.ts";
import { needsNotify, type ProbeWorld, watchProbes } from "../../fleet/supervisor/watch-probes.ts";
import type { MachinePaths } from "../../platform/paths.ts";
import { systemProber } from "../../platform/prober/prober.ts";
import { findAccount } from "../../platform/supervision/accounts.ts";
import type { Report } from "../events.ts";
import { askProgram, type ProgramQuestion } from "./ask-program.ts";
import { prepareStart, surroundingsOf } from "./prepare-start.ts";
import { runStopCommand } from "./run-stop-command.ts";
import type { ServiceListeners } from "./service-listeners.ts";
import type { ServiceLogs } from "./service-logs.ts";

/** What the world is made of. */
export interface SupervisorWorldParts extends Pick<SupervisorWorld, "clock" | "boot"> {
  readonly paths: Pick<MachinePaths, "services">;
  readonly settings: () => Pick<ServerSettings, "supervisor">;
  readonly report: Report;
  readonly host: ProcessHost;
  readonly store: ServiceStore;
  /** Null where the system has no such sockets. */
  readonly notify: NotifyReceiver | null;
  readonly logs: ServiceLogs;
  readonly listeners: ServiceListeners;
  /** Tells people something. */
  readonly notice: (text: string) => void;
  /** What there is, or what it does, is different now. */
  readonly onChanged: () => void;
  /** What probes say is different now. */
  readonly onStatus: () => void;
}

/** See the head of this file. */
export function supervisorWorld(parts: SupervisorWorldParts): SupervisorWorld {
  const { clock, boot, report, host, store, notify, logs, listeners, notice } = parts;
  const ask = (question: ProgramQuestion, signal: AbortSignal): Promise<ProbeAnswer> =>
    askProgram(host, parts.paths.services, question, signal);
  const probeWorld: ProbeWorld = {
    clock,
    random: Math.random,
    prober: systemProber,
    notify,
    askProgram: async ({ definition, key }, question, signal) =>
      ask({ definition, ...(await surroundingsOf(definition, key)), ...question }, signal),
    // Most say it themselves, and looking at all processes takes milliseconds.
    isMember: ({ tree }, pid) =>
      pid === tree.identity.pid || host.members(tree).some((member) => member.pid === pid),
    onStatus: parts.onStatus,
  };
  return {
    clock,
    boot,
    onChanged: parts.onChanged,
    undefinedService: (name) => resolveService(name, {}, parts.settings().supervisor),
    random: Math.random,
    newRun: () => crypto.randomUUID(),
    host,
    store,
    prepare: async (definition, key, notifySocket) => {
      const { start, notes } = await prepareStart(definition, key, notifySocket);
      for (const note of notes) notice(`${definition.name}: ${note}`);
      return {
        ...start,
        listeners: definition.container === null ? await listeners.of(definition, key) : [],
      };
    },
    spool: (key, run) => logs.spool(key, run),
    runStopCommand: async (command, of, signal) => {
      const problem = await runStopCommand(command, of, (question) => ask(question, signal));
      if (problem !== null) notice(problem);
    },
    openNotify: async ({ probes, user, group }, run) => {
      if (notify === null || !needsNotify(probes)) return null;
      const account = await findAccount(user, group);
      return notify.open({ run, userId: account?.uid ?? null });
    },
    endNotify: (run) => notify?.end(run),
    watchProbes: (watch) => watchProbes(probeWorld, watch),
    report: (instance: Instance, what: InstanceReport) =>
      report({ kind: "service", name: nameOf(instance), report: what }),
    onTrouble: (name, detail) => notice(`${name}: ${detail}`),
  };
}
