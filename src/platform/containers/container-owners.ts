/** Which container a process that listens is of, or stands in front of. */
import { readFileSync } from "node:fs";
import type { Listener } from "../../base/ports/process-table.ts";
import { hasCode, isDenied } from "../io-error.ts";

/** A container. Null: the engine does not tell, or there is none that could be asked. */
export interface OwningContainer {
  readonly id: string | null;
  /** As its owner named it, strangers' text. */
  readonly name: string | null;
}

interface Listed {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Ports: readonly { readonly PublicPort?: number; readonly Type: string }[];
}

/** The process of Docker that listens on a published port, whichever container it is of. */
const PROXY = "docker-proxy";
const ANSWER_MS = 2_000;

/** Containers by the pid of who listens; the engine is asked only where there is one to be named. */
export async function findOwningContainers(
  listeners: readonly Listener[],
): Promise<ReadonlyMap<number, OwningContainer>> {
  const asked = listeners.flatMap(({ owners, port, protocol }) =>
    (owners ?? []).flatMap(({ pid, name }) => {
      const id = name === PROXY ? null : containerIdOf(pid);
      return name === PROXY || id !== null ? [{ pid, id, port, protocol }] : [];
    }),
  );
  if (asked.length === 0) return new Map();
  const listed = await listContainers();
  return new Map(
    asked.map(({ pid, id, port, protocol }) => {
      const publishes = ({ Ports }: Listed): boolean =>
        Ports.some(({ PublicPort, Type }) => PublicPort === port && Type === protocol);
      const one = listed.find((other) => (id === null ? publishes(other) : other.Id === id));
      return [pid, { id: id ?? one?.Id ?? null, name: nameOf(one) }];
    }),
  );
}

/** The id of the container in the path of a control group, of Docker or Podman, with or without systemd. */
export const containerIdIn = (cgroups: string): string | null =>
  /\/(?:docker|libpod|crio)[-/](?<id>[0-9a-f]{64})/.exec(cgroups)?.groups?.["id"] ?? null;

function containerIdOf(pid: number): string | null {
  try {
    return containerIdIn(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT", "ESRCH") || isDenied(thrown)) return null;
    throw thrown;
  }
}

async function listContainers(): Promise<readonly Listed[]> {
  try {
    const { Engine, engineSocket } = await import("./engine.ts");
    const engine = new Engine(() => engineSocket());
    const signal = AbortSignal.timeout(ANSWER_MS);
    return await engine.ask<Listed[]>({ method: "GET", path: "/containers/json", signal });
  } catch {
    // No engine, or none that this user may ask: who it is stays unknown.
    return [];
  }
}

const nameOf = (one: Listed | undefined): string | null => one?.Names[0]?.replace(/^\//, "") ?? null;
