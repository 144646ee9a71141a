/** The way of a command to the daemon that supervises this machine, whichever server it is of. */
import { FleetError } from "../base/errors.ts";
import type { ControlClient } from "../http/client/control-client.ts";
import type { ServicesAnswer } from "../http/service-protocol.ts";
import { systemClock } from "../platform/clock.ts";
import { machineLockPath, serverPaths } from "../platform/paths.ts";
import { readHolder } from "../platform/process-lock.ts";
import { askReturningDaemon, livingHolder } from "./ask-returning-daemon.ts";
import { commandSignal } from "./command-signal.ts";
import type { SettingFlags } from "./setting-sources.ts";
import { loadSettings, type Settings } from "./settings.ts";

/** How long one question for news may stay open. */
const ASK_MS_MAX = 10_000;

/** A daemon that supervises. */
export interface SupervisorClient {
  readonly settings: Settings;
  /** The server whose daemon supervises. */
  readonly server: string;
  /** @throws FleetError what the daemon answered, or UNAVAILABLE when there is none any more */
  ask<T>(call: (daemon: ControlClient) => Promise<T>): Promise<T>;
}

/** Finds the daemon that supervises. @throws FleetError UNAVAILABLE when none runs, CONFIG */
export async function openSupervisor(flags: SettingFlags): Promise<SupervisorClient> {
  return supervisorOf(await loadSettings(flags));
}

/** The daemon that supervises below the state root of `settings`. @throws FleetError UNAVAILABLE when none runs */
export function supervisorOf(settings: Settings): SupervisorClient {
  const holder = readHolder(machineLockPath(settings.root));
  const none = new FleetError(
    "UNAVAILABLE",
    `Cannot reach the supervisor of "${settings.root}": no monitor runs, need one`,
    { hint: 'Start one with "fleetd monitor", after "fleetd init" made a server' },
  );
  if (holder?.server === undefined) throw none;
  const { socket, daemonLock } = serverPaths(settings.root, holder.server);
  const place = { socket, lock: daemonLock };
  return {
    settings,
    server: holder.server,
    async ask(call) {
      const answer = await askReturningDaemon(place, async (daemon) => ({ value: await call(daemon) }));
      if (answer !== null) return answer.value;
      const pid = livingHolder(daemonLock);
      if (pid === null) throw none;
      // Whether it will do what was asked for is not known.
      const which = `the monitor of "${holder.server}" (pid ${pid}) runs and does not answer`;
      throw new FleetError("UNAVAILABLE", `Cannot reach the supervisor of "${settings.root}": ${which}`, {
        hint: "It may be busy or stopped: look with fleetd list, try again",
      });
    },
  };
}

/**
 * Looks at the services, again with every change, until it is enough or the time is up. Answers the last look, and
 * whether it was enough. `waitOn` says for how long to wait for news before looking again, in ms; 0: it is enough.
 */
export async function watchServices(
  client: SupervisorClient,
  timeoutMs: number,
  waitOn: (answer: ServicesAnswer) => number,
): Promise<{ readonly answer: ServicesAnswer; readonly isEnough: boolean }> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  const signal = commandSignal();
  for (;;) {
    const answer = await client.ask((daemon) => daemon.services.list());
    const waitMs = waitOn(answer);
    if (waitMs === 0) return { answer, isEnough: true };
    const leftMs = deadlineMs - systemClock.monotonicMs();
    if (leftMs <= 0) return { answer, isEnough: false };
    signal.throwIfAborted();
    const call = { since: answer.revision, timeoutMs: Math.min(ASK_MS_MAX, leftMs, waitMs) };
    await client.ask((daemon) => daemon.changes(call, signal));
  }
}
