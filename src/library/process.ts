/**
 * `fleetd/process`: one instance of a program, who has a port, ending what has it, and an orderly end. Runs in Bun and in
 * Node; it needs neither a server nor git. The functions work on the one manager of this process.
 */
import { ProcessManager as Manager } from "./process-manager.ts";
import type { ProcessManagerOptions } from "./process-manager-model.ts";

/** Instances, ports and end of one program. */
export type ProcessManager = Manager;

let shared: Manager | null = null;

/** The manager of this process, made at the first call; `options` count then, and not any more afterwards. */
export function getProcessManager(options: ProcessManagerOptions = {}): ProcessManager {
  shared ??= new Manager(options);
  return shared;
}

/** A manager of its own, for more than one name in a process. */
export const createProcessManager = (options: ProcessManagerOptions = {}): ProcessManager =>
  new Manager(options);

/** Lets go of all that the manager of this process holds; the next call makes another one. Handlers are not run. */
export function resetProcessManager(): void {
  shared?.dispose();
  shared = null;
}

/** Whether this is the only instance; see `ProcessManager`. */
export const enforceSingleInstance: Manager["enforceSingleInstance"] = (onSecondInstance) =>
  getProcessManager().enforceSingleInstance(onSecondInstance);

/** Whether somebody listens on TCP port `port`, on whatever address. */
export const isPortInUse: Manager["isPortInUse"] = (port) => getProcessManager().isPortInUse(port);

/** Who listens on TCP port `port`. */
export const findProcessByPort: Manager["findProcessByPort"] = (port) =>
  getProcessManager().findProcessByPort(port);

/** Ends whoever listens on `port`; true: somebody did, and it is free now. */
export const killProcessOnPort: Manager["killProcessOnPort"] = (port, options) =>
  getProcessManager().killProcessOnPort(port, options);

/** Ends process `pid`; true: it was there, and is gone now. */
export const killProcessById: Manager["killProcessById"] = (pid, options) =>
  getProcessManager().killProcessById(pid, options);

/** Remembers a port of this program. */
export const registerManagedPort: Manager["registerManagedPort"] = (port, name) =>
  getProcessManager().registerManagedPort(port, name);

/** The same as `registerManagedPort`. */
export const trackPort: Manager["trackPort"] = (port, name) => getProcessManager().trackPort(port, name);

/** Makes `port` free, in up to `maxRetries` tries; whether it is. */
export const ensurePortAvailable: Manager["ensurePortAvailable"] = (port, maxRetries, options) =>
  getProcessManager().ensurePortAvailable(port, maxRetries, options);

/** Frees the managed ports that something of ours still holds. */
export const cleanupOnStartup: Manager["cleanupOnStartup"] = () => getProcessManager().cleanupOnStartup();

/** Adds what is to be done before the end. */
export const addShutdownHandler: Manager["addShutdownHandler"] = (handler, own) =>
  getProcessManager().addShutdownHandler(handler, own);

/** The same as `addShutdownHandler`. */
export const onShutdown: Manager["onShutdown"] = (handler, own) =>
  getProcessManager().onShutdown(handler, own);

/** Runs all handlers in their order, once. */
export const executeShutdownHandlers: Manager["executeShutdownHandlers"] = (reason) =>
  getProcessManager().executeShutdownHandlers(reason);

/** Runs the handlers at the end of the program, at SIGTERM and at SIGINT. */
export const registerShutdownHandlers: Manager["registerShutdownHandlers"] = () =>
  getProcessManager().registerShutdownHandlers();

/** How the program is, with a look at its ports. */
export const getProcessStatus: Manager["getProcessStatus"] = () => getProcessManager().getProcessStatus();

/** The same as `getProcessStatus`. */
export const getStatus: Manager["getStatus"] = () => getProcessManager().getStatus();

/** Tells of something that went wrong. */
export const logError: Manager["logError"] = (context, error) => getProcessManager().logError(context, error);
