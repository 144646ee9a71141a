/** Which services there are: those of the configuration, and those that were given by command. */

import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { KnownService } from "../../fleet/supervisor/known-instances.ts";
import type { ServiceDefinition } from "../../fleet/supervisor/model.ts";
import { parseServiceDefinition } from "../../fleet/supervisor/parse-service.ts";
import { resolveServices } from "../../fleet/supervisor/resolve-service.ts";
import type { ServiceStore } from "../../fleet/supervisor/service-store.ts";
import { needsNotify, watchdogMs } from "../../fleet/supervisor/watch-probes.ts";

/** What is known, and what was given and cannot be read: its processes are left alone. */
export interface KnownServices {
  readonly services: readonly KnownService[];
  readonly unreadable: ReadonlyMap<string, string>;
}

/** What the configuration and the commands define together; the configuration counts where both do. */
export function knownServices(
  settings: Pick<ServerSettings, "services" | "supervisor">,
  store: ServiceStore,
): KnownServices {
  const services = new Map<string, KnownService>();
  const unreadable = new Map<string, string>();
  for (const { name, definition } of store.given()) {
    const parsed = parseServiceDefinition(name, definition, settings.supervisor);
    if (parsed.ok) services.set(name, toKnown(parsed.value, "given"));
    else unreadable.set(name, parsed.error.map(({ message }) => message).join("; "));
  }
  for (const definition of resolveServices(settings)) {
    services.set(definition.name, toKnown(definition, "configured"));
    unreadable.delete(definition.name);
  }
  return { services: [...services.values()], unreadable };
}

/** A definition with a digest of all in it that a process keeps until it is started anew. */
export function toKnown(definition: ServiceDefinition, origin: KnownService["origin"]): KnownService {
  const { command, cwd, env, envFiles, user, group, limits, listen, container, probes } = definition;
  // Of its probes a process has only the socket that it was told of, and how often it has to say something there.
  const notify = [needsNotify(probes), watchdogMs(probes)];
  const kept = JSON.stringify([command, cwd, env, envFiles, user, group, limits, listen, container, notify]);
  const digest = new Bun.CryptoHasher("sha256").update(kept).digest("hex").slice(0, 16);
  return { definition, digest, origin };
}
