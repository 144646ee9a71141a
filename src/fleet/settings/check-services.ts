import { findCycle } from "../../base/find-cycle.ts";
import type { Contradiction } from "./check-relations.ts";
import type { ServerSettings, ServiceFile } from "./model.ts";

type Services = ServerSettings["services"];

/** What is wrong between services, and between the settings of one of them, that are each right by themselves. */
export function checkServices({ services, supervisor }: ServerSettings): Contradiction[] {
  return [
    ...Object.entries(services).flatMap(([name, service]) => [
      ...unknownDependencies(name, service, services),
      ...limitProblems(name, service, supervisor),
    ]),
    ...groupProblems(services),
    ...sharedAddresses(services),
    ...cycleProblem(services),
  ];
}

function unknownDependencies(name: string, service: ServiceFile, services: Services): Contradiction[] {
  return Object.entries(service.depends_on ?? {}).flatMap(([other, condition]) => {
    const wrong = dependencyProblem(other, condition, services);
    return wrong === null ? [] : [at(["services", name, "depends_on", other], wrong)];
  });
}

function dependencyProblem(other: string, condition: string, services: Services): string | null {
  const needed = Object.hasOwn(services, other) ? services[other] : undefined;
  if (needed === undefined) return "there is no such service";
  if (condition === "completed" && (needed.restart === "always" || needed.restart === "unless-stopped")) {
    return `"${other}" never completes: its restart is ${needed.restart}`;
  }
  return null;
}

/** Settings of a service that cross each other, or a default of the machine. */
function limitProblems(
  name: string,
  { backoff, logs }: ServiceFile,
  defaults: ServerSettings["supervisor"],
): Contradiction[] {
  const pairs: readonly (readonly [string, string, number, string, number])[] = [
    [
      "backoff",
      "first",
      backoff?.first ?? defaults.backoff_first,
      "longest",
      backoff?.longest ?? defaults.backoff_longest,
    ],
    [
      "logs",
      "file_size",
      logs?.file_size ?? defaults.log_file_size,
      "total",
      logs?.total ?? defaults.log_total,
    ],
  ];
  return pairs.flatMap(([table, lower, low, upper, high]) => {
    if (low <= high) return [];
    const [path, other] = [lower, upper].map((key) => ["services", name, table, key]);
    return [{ path: path ?? [], other: other ?? null, message: `it is more than ${table}.${upper}` }];
  });
}

/** `fleetd start NAME` would not know what is meant. */
function groupProblems(services: Services): Contradiction[] {
  return Object.entries(services).flatMap(([name, { groups = [] }]) =>
    groups
      .filter((group) => Object.hasOwn(services, group))
      .map((group) =>
        at(["services", name, "groups"], `"${group}" is a service: need another name for the group`),
      ),
  );
}

/** Two that listen on one address would each get half of what comes. */
function sharedAddresses(services: Services): Contradiction[] {
  const owners = new Map<string, string>();
  return Object.entries(services).flatMap(([name, { listen = [] }]) =>
    listen.flatMap(({ host, port }) => {
      const address = `${host} ${port}`;
      const owner = owners.get(address);
      owners.set(address, name);
      if (owner === undefined) return [];
      return [at(["services", name, "listen"], `port ${port} of ${host} is taken by the service "${owner}"`)];
    }),
  );
}

function cycleProblem(services: Services): Contradiction[] {
  const graph = Object.entries(services).map(
    ([name, { depends_on = {} }]) => [name, Object.keys(depends_on)] as const,
  );
  const cycle = findCycle(new Map(graph));
  const [first] = cycle ?? [];
  if (cycle === null || first === undefined) return [];
  return [at(["services", first, "depends_on"], `each waits for the next one: ${cycle.join(" -> ")}`)];
}

const at = (path: readonly string[], message: string): Contradiction => ({ path, other: null, message });
