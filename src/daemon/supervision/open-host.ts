import { join } from "node:path";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import { folderOfKey } from "../../fleet/supervisor/model.ts";
import type { ServiceStore } from "../../fleet/supervisor/service-store.ts";
import { ContainerHost } from "../../platform/containers/container-host.ts";
import { Engine, engineSocket } from "../../platform/containers/engine.ts";
import { withContainers } from "../../platform/containers/with-containers.ts";
import { spoolPath } from "../../platform/service-log/spool-names.ts";
import { openProcessHost } from "../../platform/supervision/process-host.ts";

/** Opens what runs processes and containers; those of an earlier daemon are looked for. */
export async function openHost(options: {
  /** The folder of all services' folders: whose containers these are, and where their output goes. */
  readonly services: string;
  readonly store: ServiceStore;
  readonly usesControlGroups: boolean;
}): Promise<ProcessHost> {
  const { services, store, usesControlGroups } = options;
  const containers = new ContainerHost({
    engine: new Engine(() => engineSocket()),
    home: services,
    spoolOf: (run) => {
      const noted = store.instances().find((one) => one.run?.run === run);
      return noted === undefined ? null : spoolPath(join(services, folderOfKey(noted.key)), run);
    },
  });
  const [processes] = await Promise.all([openProcessHost({ usesControlGroups }), containers.look()]);
  return withContainers(processes, containers);
}
