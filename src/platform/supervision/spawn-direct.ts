import { closeSync } from "node:fs";
import type { ProcessIdentity, SpawnRequest } from "../../base/ports/process-host.ts";
import { openOutput, spawnError } from "./spawn-checks.ts";

/** A process that was started, and that Bun waits for. */
export interface Started {
  readonly child: Bun.Subprocess;
  readonly identity: ProcessIdentity;
}

/** What every start has beside its request. */
export interface SpawnPlace {
  /** Its absolute path. */
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly into: { readonly cgroup?: string };
  /** Calls `start` with whatever the system needs around it, and says who was started. */
  spawn<Child extends Bun.Subprocess>(
    start: () => Child,
  ): { readonly child: Child; readonly identity: ProcessIdentity };
}

/** Starts a program that needs nothing but to be started. @throws FleetError */
export function spawnDirectly(request: SpawnRequest, place: SpawnPlace): Started {
  const [argv0 = place.program, ...words] = request.command;
  const output = openOutput(request.output);
  const options = { cwd: request.cwd, env: place.environment, detached: true, argv0, ...place.into };
  try {
    return place.spawn(() =>
      Bun.spawn([place.program, ...words], { ...options, stdio: ["ignore", output, output] }),
    );
  } catch (thrown) {
    throw spawnError(place.program, thrown);
  } finally {
    closeSync(output);
  }
}
