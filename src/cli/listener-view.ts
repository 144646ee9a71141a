import { requireOk } from "../base/errors.ts";
import { parsePort } from "../base/port-number.ts";
import type { Listener, SocketProtocol } from "../base/ports/process-table.ts";
import type { OwningContainer } from "../platform/containers/container-owners.ts";
import type { SafeText } from "./output/safe-text.ts";
import type { Style } from "./output/style.ts";
import { renderTable } from "./output/table.ts";
import { openStyle, terminalWidth } from "./output/terminal.ts";

/** A typed port. @throws FleetError USAGE */
export const toPort = (text: string): number => requireOk("USAGE", parsePort(text));

/** Those of one protocol; all without one. */
export const ofProtocol = (
  listeners: readonly Listener[],
  protocol: SocketProtocol | undefined,
): readonly Listener[] => listeners.filter((one) => protocol === undefined || one.protocol === protocol);

/** Containers by the pid of who listens. */
export type ContainersByPid = ReadonlyMap<number, OwningContainer>;

/** One listener in the words of JSON. */
export const listenerToJson = (
  { protocol, address, port, user, owners }: Listener,
  containers: ContainersByPid = new Map(),
): Record<string, unknown> => ({
  protocol,
  address,
  port,
  user,
  owners:
    owners?.map((owner) => ({
      pid: owner.pid,
      name: owner.name,
      user: owner.user,
      container: containers.get(owner.pid) ?? null,
    })) ?? null,
});

/** A line for each owner of each address. */
export function renderListeners(
  listeners: readonly Listener[],
  args: { readonly color: boolean | undefined },
  containers: ContainersByPid = new Map(),
): SafeText {
  const style = openStyle(args);
  const rows = listeners.flatMap((one) => rowsOf(one, style, containers));
  const columns = [
    { title: "PORT", align: "right", keepWhole: true },
    { title: "", keepWhole: true },
    { title: "ADDRESS", keepWhole: true },
    { title: "PID", align: "right", keepWhole: true },
    { title: "NAME" },
    { title: "USER" },
  ] as const;
  return renderTable({ columns, rows }, style, terminalWidth());
}

function rowsOf(
  { protocol, address, port, user, owners }: Listener,
  style: Style,
  containers: ContainersByPid,
) {
  const where = [String(port), protocol, address];
  if (owners === null)
    return [[...where, style.yellow("unknown"), style.dim("not this user's to see"), user ?? "unknown"]];
  return owners.map(({ pid, name, user: owner }) => {
    const container = containers.get(pid);
    const whose =
      container === undefined
        ? ""
        : ` (container ${container.name ?? container.id?.slice(0, 12) ?? "unknown"})`;
    return [...where, String(pid), name + whose, owner ?? "unknown"];
  });
}
