/** The logs that `fleetd logs` reads: the daemon's own, and those of services. Both as lines with a time and a level. */
import { join } from "node:path";
import { type LogLevel, parseLogLine } from "../base/log-line.ts";
import { parseServiceLine } from "../base/service-line.ts";
import { instanceOfFolder } from "../fleet/supervisor/choose-instances.ts";
import { folderOfInstance, folderOfKey, parseInstanceName } from "../fleet/supervisor/model.ts";
import { DAEMON_LOG } from "../platform/log-names.ts";
import { folderNames, machinePaths } from "../platform/paths.ts";
import { renderLogRecord, renderServiceLine } from "./output/log-view.ts";
import type { SafeText } from "./output/safe-text.ts";
import type { Style } from "./output/style.ts";

/** One line, ready to be chosen and shown. */
export interface ShownLine {
  readonly timestamp: string;
  readonly level: LogLevel;
  readonly json: Readonly<Record<string, unknown>>;
  readonly render: (style: Style) => SafeText;
}

/** A log: where it is, and what its lines mean; null: a line cannot be read. */
export interface LogSource {
  readonly folder: string;
  readonly name: string;
  readonly parse: (line: string) => ShownLine | null;
}

/** The daemon's log in `folder`. */
export const daemonSource = (folder: string): LogSource => ({
  folder,
  name: DAEMON_LOG,
  parse(line) {
    const record = parseLogLine(line);
    if (record === null) return null;
    const { timestamp, level } = record;
    return { timestamp, level, json: { ...record }, render: (style) => renderLogRecord(record, style) };
  },
});

/** The log of an instance; where `isNamed` its lines say whose they are. */
export function serviceSource(root: string, instance: string, isNamed: () => boolean): LogSource {
  const parsed = parseInstanceName(instance);
  const name = parsed.ok
    ? folderOfKey({ service: parsed.value.service, number: parsed.value.number ?? 1 })
    : folderOfInstance(instance);
  return {
    folder: join(machinePaths(root).services, name),
    name,
    parse(text) {
      const line = parseServiceLine(text);
      if (line === null) return null;
      const { timestamp, level } = line;
      const json = { timestamp, level, message: line.text, service: instance };
      return {
        timestamp,
        level,
        json,
        render: (style) => renderServiceLine(line, isNamed() ? instance : null, style),
      };
    },
  };
}

/** The instances that have a folder: those that were ever started and not removed. @throws FleetError IO */
export const loggedInstances = (root: string): string[] =>
  folderNames(machinePaths(root).services).flatMap((folder) => instanceOfFolder(folder) ?? []);
