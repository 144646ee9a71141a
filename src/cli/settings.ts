import { parseDuration } from "../base/duration.ts";
import { FleetError, requireOk } from "../base/errors.ts";
import { parseServerId } from "../fleet/messaging/model.ts";
import { completeSettings } from "../fleet/settings/complete-settings.ts";
import type { FileSettings, ServerSettings, SettingsIssue } from "../fleet/settings/model.ts";
import { type ConfigFile, readConfigFile } from "../platform/config-file.ts";
import { configPaths, type ServerPaths, serverFolders, serverPaths, stateRoot } from "../platform/paths.ts";
import { didYouMean } from "./suggest.ts";

/** What was given on the command line; the names are those of the flags. */
export interface SettingFlags {
  readonly server?: string | undefined;
  readonly config?: string | undefined;
  readonly remote?: string | undefined;
  readonly interval?: string | undefined;
}

/** The settings that hold for this command: flag > environment > file > default. */
export interface Settings {
  readonly root: string;
  readonly server: string | null;
  readonly remote: string | null;
  /** What the server runs with. */
  readonly running: ServerSettings;
}

/** Loads the settings. @throws FleetError CONFIG with the file's lines, USAGE for a flag that cannot be read */
export async function loadSettings(flags: SettingFlags): Promise<Settings> {
  const environment = process.env;
  const file = await readFile(flags.config ?? environment["FLEETD_CONFIG"]);
  const server = flags.server ?? environment["FLEETD_SERVER"] ?? environment["SERVER_ID"] ?? file.server;
  const interval = flags.interval ?? environment["FLEETD_INTERVAL"] ?? environment["MONITOR_INTERVAL"];
  const isSwitchedOff = environment["FLEETD_AUTO_REPLY"] === "off";
  return {
    root: stateRoot(environment),
    server: server === undefined || server === "" ? null : requireOk("USAGE", parseServerId(server)),
    remote: flags.remote ?? environment["FLEETD_REMOTE"] ?? file.remote ?? null,
    running: completeSettings({
      ...file,
      ...(interval === undefined ? {} : { interval: requireOk("USAGE", parseDuration(interval)) }),
      ...(isSwitchedOff ? { auto_reply: { ...file.auto_reply, enabled: false } } : {}),
    }),
  };
}

/** The files of the server that this command is about. @throws FleetError CONFIG when none or several could be meant */
export function requireServer(settings: Settings): ServerPaths {
  const made = serverFolders(settings.root);
  if (settings.server !== null) {
    if (made.includes(settings.server)) return serverPaths(settings.root, settings.server);
    throw new FleetError(
      "CONFIG",
      `Cannot act as "${settings.server}": no such server in "${settings.root}"`,
      {
        hint: `Make it with "fleetd init --server ${settings.server}"${didYouMean(settings.server, made)}`,
      },
    );
  }
  const [only, ...others] = made;
  if (only !== undefined && others.length === 0) return serverPaths(settings.root, only);
  if (only === undefined) {
    throw new FleetError("CONFIG", `Cannot find a server in "${settings.root}": none was made yet`, {
      hint: 'Make one with "fleetd init", or see everything at work with "fleetd quickstart"',
    });
  }
  throw new FleetError(
    "CONFIG",
    `Cannot choose a server in "${settings.root}": there are ${made.join(", ")}`,
    {
      hint: "Say which with --server ID or FLEETD_SERVER",
    },
  );
}

async function readFile(given: string | undefined): Promise<FileSettings> {
  const file = given === undefined ? firstOf(configPaths(process.env)) : readConfigFile(given);
  if (file === null) {
    if (given === undefined) return {};
    throw new FleetError("CONFIG", `Cannot read configuration "${given}": there is no such file`);
  }
  // Only whoever has a file pays for the validator: 3 ms of a start.
  const { parseFileSettings } = await import("../fleet/settings/model.ts");
  const parsed = parseFileSettings(file.value);
  if (parsed.ok) return parsed.value;
  const lines = await Promise.all(parsed.error.map((issue) => describe(file, issue)));
  throw new FleetError("CONFIG", `Cannot use configuration "${file.path}": ${lines.join("; ")}`);
}

function firstOf(paths: readonly string[]): ConfigFile | null {
  for (const path of paths) {
    const file = readConfigFile(path);
    if (file !== null) return file;
  }
  return null;
}

async function describe(file: ConfigFile, issue: SettingsIssue): Promise<string> {
  const line = await file.lineOf(issue.path);
  const place = line === null ? "" : `line ${line}: `;
  const key = issue.path.join(".");
  const { SETTING_KEYS } = await import("../fleet/settings/model.ts");
  // Rules are a list; their keys are known without their place in it.
  const plain = issue.path.filter((part) => !/^\d+$/.test(part)).join(".");
  if (issue.isUnknownKey) return `${place}unknown key "${key}"${didYouMean(plain, SETTING_KEYS)}`;
  return `${place}${key}: ${issue.message}`;
}
