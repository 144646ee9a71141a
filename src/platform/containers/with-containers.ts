import type { ProcessHost } from "../../base/ports/process-host.ts";
import { type ContainerHost, isContainer } from "./container-host.ts";

/** A host of processes that also runs containers: each start, and each tree, goes to the one that it is of. */
export function withContainers(processes: ProcessHost, containers: ContainerHost): ProcessHost {
  return {
    abilities: processes.abilities,
    spawn: (request, signal) => {
      const { container = null } = request;
      return container === null
        ? processes.spawn(request, signal)
        : containers.spawn(request, container, signal);
    },
    adopt: (tree) => (isContainer(tree) ? containers : processes).adopt(tree),
    findRun: (run) => containers.findRun(run) ?? processes.findRun(run),
    members: (tree) => (isContainer(tree) ? containers : processes).members(tree),
    signal: (tree, signal, to) =>
      isContainer(tree) ? containers.signal(tree, signal) : processes.signal(tree, signal, to),
    kill: (tree, withinMs) => (isContainer(tree) ? containers : processes).kill(tree, withinMs),
    whose: (pid) => processes.whose?.(pid) ?? null,
    ranOutOfMemory: (tree) => (isContainer(tree) ? containers : processes).ranOutOfMemory(tree),
    forget: (tree) => (isContainer(tree) ? containers : processes).forget(tree),
    reap: () => {
      processes.reap();
      containers.reap();
    },
    close: () => {
      containers.close();
      processes.close();
    },
  };
}
