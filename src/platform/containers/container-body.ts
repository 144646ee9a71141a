import { FleetError } from "../../base/errors.ts";
import type { ContainerRequest, SpawnRequest } from "../../base/ports/process-host.ts";

/** What a container is made of, in the words of the engine. `labels` are added to it. @throws FleetError CONFIG */
export function containerBody(
  { command, environment, user, group, limits }: SpawnRequest,
  container: ContainerRequest,
  labels: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const ports = container.ports.map(parsePort);
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { inside, address, outside } of ports) {
    bindings[inside] = [...(bindings[inside] ?? []), { HostIp: address, HostPort: outside }];
  }
  const account = group === null ? (user ?? "") : `${user ?? "0"}:${group}`;
  return {
    Image: container.image,
    ...(command.length === 0 ? {} : { Cmd: command }),
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ...(container.workingFolder === null ? {} : { WorkingDir: container.workingFolder }),
    ...(account === "" ? {} : { User: account }),
    Labels: labels,
    ExposedPorts: Object.fromEntries(Object.keys(bindings).map((inside) => [inside, {}])),
    HostConfig: {
      PortBindings: bindings,
      Binds: container.volumes,
      ...(container.network === null ? {} : { NetworkMode: container.network }),
      // The supervisor starts it again, and nobody beside it.
      RestartPolicy: { Name: "no" },
      // No swap beyond it: a limit that can be dodged is none.
      ...(limits.memoryBytes === null ? {} : { Memory: limits.memoryBytes, MemorySwap: limits.memoryBytes }),
      ...(limits.cpus === null ? {} : { NanoCpus: Math.round(limits.cpus * 1e9) }),
      ...(limits.pids === null ? {} : { PidsLimit: limits.pids }),
    },
  };
}

/** `[ADDRESS:]PORT:PORT[/udp]`. */
function parsePort(text: string): { inside: string; address: string; outside: string } {
  const match =
    /^(?:\[?(?<address>[0-9A-Fa-f.:]+?)\]?:)?(?<outside>\d{1,5}):(?<inside>\d{1,5})(?:\/(?<protocol>tcp|udp))?$/.exec(
      text,
    );
  const { address = "", outside = "", inside = "", protocol = "tcp" } = match?.groups ?? {};
  if (match === null)
    throw new FleetError("CONFIG", `Cannot publish "${text}": need [ADDRESS:]PORT:PORT[/udp]`);
  return { inside: `${inside}/${protocol}`, address, outside };
}
