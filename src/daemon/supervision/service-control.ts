/** What the daemon does about services when a command asks it over the control socket. */
import { FleetError, requireOk } from "../../base/errors.ts";
import { mapError } from "../../base/result.ts";
import { checkAdoptable } from "../../fleet/supervisor/check-adoption.ts";
import { checkDependencies } from "../../fleet/supervisor/dependency-order.ts";
import { needsProbe } from "../../fleet/supervisor/follow-run.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import { parseServiceDefinition } from "../../fleet/supervisor/parse-service.ts";
import { nameOf } from "../../fleet/supervisor/service-view.ts";
import type { ServiceHandlers } from "../../http/server/control-server.ts";
import type { ActAnswer, ActCall, GiveCall } from "../../http/service-protocol.ts";
import { openProcessTable } from "../../platform/processes/process-table.ts";
import type { MonitorContext } from "../monitor-context.ts";
import { signalInstances } from "./signal-instances.ts";
import type { Supervision } from "./supervision.ts";

/** Answers for the supervision of this daemon; `supervision` throws UNAVAILABLE where another daemon does it. */
export function serviceHandlers(
  { daemon, options }: Pick<MonitorContext, "daemon" | "options">,
  supervision: () => Supervision,
): ServiceHandlers {
  const answer = (instances: readonly Instance[]): ActAnswer => ({
    instances: instances.map(nameOf),
    revision: daemon.revision,
  });
  return {
    list: async (isFresh) => {
      const { abilities } = supervision().host;
      if (isFresh) await supervision().refresh();
      return {
        services: supervision().views(),
        revision: daemon.revision,
        containment: abilities.containment,
        notes: abilities.notes,
        nowWallMs: Date.now(),
      };
    },
    detail: async ({ names }) => {
      const { supervisor, host } = supervision();
      return {
        services: await supervision().details(supervisor.find(names)),
        containment: host.abilities.containment,
        notes: host.abilities.notes,
        nowWallMs: Date.now(),
      };
    },
    act: (call) => {
      const { verb, signal } = call;
      if (verb !== "kill" || signal === undefined) return answer(act(supervision(), call));
      const { supervisor, host } = supervision();
      const instances = supervisor.find(call.names);
      const reached = signalInstances(host, instances, { signal, dryRun: call.dryRun === true });
      return { ...answer(instances), reached };
    },
    give: (call) => answer(give(supervision(), call, options.settings().supervisor)),
    adopt: async ({ name, process: target }) => {
      const { supervisor } = supervision();
      const [instance, ...others] = supervisor.find([name]);
      if (instance === undefined || others.length > 0) {
        throw new FleetError("BAD_INPUT", `Cannot adopt into "${name}": need the name of one instance`);
      }
      const parents = await (await openProcessTable()).list();
      checkAdoptable({ target, selfPid: process.pid, parents });
      supervisor.adopt(instance, target);
      return answer([instance]);
    },
    replace: async ({ names }) => {
      const { supervisor } = supervision();
      const instances = supervisor.find(names).filter(({ key }) => !key.successor);
      for (const instance of instances) checkReplaceable(instance);
      const failed = await supervisor.replace(instances);
      return { ...answer(instances), failed, unsure: instances.filter(isUnsure).map(nameOf) };
    },
  };
}

function act(supervision: Supervision, { verb, names }: ActCall): readonly Instance[] {
  const { supervisor } = supervision;
  const instances = supervisor.find(names);
  switch (verb) {
    case "start":
      return supervisor.start(instances);
    case "stop":
      supervisor.stop(instances);
      return instances;
    case "restart":
      supervisor.restart(instances);
      return instances;
    case "kill":
      supervisor.stop(instances, true);
      return instances;
    case "forget":
      for (const instance of instances) {
        if (supervisor.originOf(instance) === "configured") {
          throw new FleetError(
            "BAD_INPUT",
            `Cannot forget "${nameOf(instance)}": it is defined in the configuration, take it out there`,
          );
        }
      }
      void supervision.forget(instances);
      return instances;
  }
}

/** @throws FleetError BAD_INPUT where nobody could tell when the new one may take over */
function checkReplaceable(instance: Instance): void {
  const { definition } = instance;
  if (definition.container !== null || needsProbe(definition)) return;
  const name = nameOf(instance);
  throw new FleetError(
    "BAD_INPUT",
    `Cannot replace "${name}" without a gap: it has no probe, need probes.readiness to know when a new one is ready`,
  );
}

/** Whether the old run may have answered for the new one: both are asked at one port, and no socket is handed on. */
function isUnsure({ definition: { probes, listen, container } }: Instance): boolean {
  if (listen.length > 0 || container !== null) return false;
  const kind = (probes.readiness ?? probes.startup)?.target.kind;
  return kind === "http" || kind === "tcp";
}

function give(
  supervision: Supervision,
  { definitions, replace }: GiveCall,
  defaults: Parameters<typeof parseServiceDefinition>[2],
): readonly Instance[] {
  const { supervisor, store } = supervision;
  const known = new Map(supervisor.services.map((service) => [service.definition.name, service]));
  const parsed = definitions.map(({ name, definition }) => {
    const before = known.get(name);
    if (before?.origin === "configured") {
      throw new FleetError(
        "BAD_INPUT",
        `Cannot define "${name}": it is defined in the configuration, change it there`,
      );
    }
    if (before !== undefined && !replace) {
      throw new FleetError("BAD_INPUT", `Cannot define "${name}": there is a service of this name`, {
        hint: `Start it with "fleetd start ${name}", define it anew with --replace, or take it away with "fleetd forget ${name}"`,
      });
    }
    return requireOk(
      "BAD_INPUT",
      mapError(
        parseServiceDefinition(name, definition, defaults),
        (issues) =>
          `Cannot define "${name}": ${issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")}`,
      ),
    );
  });
  const names = new Set(parsed.map(({ name }) => name));
  const others = supervisor.services
    .map(({ definition }) => definition)
    .filter(({ name }) => !names.has(name));
  requireOk("BAD_INPUT", checkDependencies([...others, ...parsed]));
  store.give(definitions, Date.now());
  supervision.redefine();
  const instances = supervisor.find([...names]);
  // Only what was defined before runs already: it is to be what was asked for.
  supervisor.restart(instances.filter(({ isOutdated }) => isOutdated));
  return supervisor.start(instances);
}
