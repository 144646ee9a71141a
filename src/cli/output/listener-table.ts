import type { Listener } from "../../base/ports/process-table.ts";
import type { ContainersByPid } from "../listener-view.ts";
import type { SafeText } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { openStyle, terminalWidth } from "./terminal.ts";

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
