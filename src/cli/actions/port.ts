import { EXIT_CODES } from "../../base/errors.ts";
import type { Listener, SocketProtocol } from "../../base/ports/process-table.ts";
import { findListeners, listListeners } from "../../daemon/find-listeners.ts";
import { findOwningContainers } from "../../platform/containers/container-owners.ts";
import { type ContainersByPid, listenerToJson, ofProtocol, toPort } from "../listener-view.ts";
import { printJson, printText } from "../output/print-answer.ts";

/** The arguments of `port list`, as typed. */
export interface PortListArguments {
  readonly protocol: SocketProtocol | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
}

/** The arguments of `port show`, as typed. */
export interface PortArguments extends PortListArguments {
  readonly port: string;
}

/** Who listens on one port. Exit code 1 when nobody does: nothing was found, as with `grep`. */
export async function showPort(args: PortArguments): Promise<number> {
  const port = toPort(args.port);
  const listeners = ofProtocol(await findListeners(port), args.protocol);
  const containers = await findOwningContainers(listeners);
  const toJson = (one: Listener): Record<string, unknown> => listenerToJson(one, containers);
  if (args.json) printJson("port", { port, listeners: listeners.map(toJson) });
  else if (listeners.length === 0) printText(`Nobody listens on port ${port}`);
  else await printTable(listeners, args, containers);
  return listeners.length === 0 ? EXIT_CODES.FAILED : 0;
}

/** Who listens anywhere. */
export async function listPorts(args: PortListArguments): Promise<void> {
  const listeners = ofProtocol(await listListeners(), args.protocol);
  const containers = await findOwningContainers(listeners);
  const toJson = (one: Listener): Record<string, unknown> => listenerToJson(one, containers);
  if (args.json) printJson("port.list", { listeners: listeners.map(toJson) });
  else if (listeners.length === 0) printText("Nobody listens here");
  else await printTable(listeners, args, containers);
}

/** Loaded when it is needed: a program that asks for JSON asks often. */
async function printTable(
  listeners: readonly Listener[],
  args: PortListArguments,
  containers: ContainersByPid,
): Promise<void> {
  const { renderListeners } = await import("../output/listener-table.ts");
  printText(renderListeners(listeners, args, containers));
}
