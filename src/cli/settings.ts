import { FleetError } from "../base/errors.ts";
import { parseServerId } from "../fleet/messaging/model.ts";
import { checkRelations } from "../fleet/settings/check-relations.ts";
import { completeSettings } from "../fleet/settings/complete-settings.ts";
import type { FileSettings, ServerSettings } from "../fleet/settings/model.ts";
import { VARIABLES } from "../fleet/settings/read-environment.ts";
import { layerSettings } from "../fleet/settings/setting-paths.ts";
import { type ServerPaths, serverFolders, serverPaths, stateRoot } from "../platform/paths.ts";
import { printNotice } from "./output/print-answer.ts";
import {
  originOf,
  readSources,
  type SettingFlags,
  type SettingProblem,
  type Source,
  type Sources,
  toError,
} from "./setting-sources.ts";
import { didYouMean } from "./suggest.ts";

/** The settings that hold for this command: flag > environment > file > default. */
export interface Settings {
  readonly root: string;
  readonly server: string | null;
  /** As it was written: `env:NAME` and `file:PATH` say where it is, and are resolved where it is used. */
  readonly remote: string | null;
  /** What the server runs with. */
  readonly running: ServerSettings;
  /** Where they come from, the source that wins first. */
  readonly sources: readonly Source[];
  /** The configuration file that was read. */
  readonly file: string | null;
}

/** Loads the settings. @throws FleetError CONFIG with lines and variables, USAGE for a flag that cannot be read */
export async function loadSettings(flags: SettingFlags): Promise<Settings> {
  const sources = await readSources(flags, process.env);
  warnOfStrangers(sources.strangers);
  return await settingsOf(sources);
}

/** The settings that `sources` say together. @throws FleetError CONFIG, USAGE with everything that is wrong */
export async function settingsOf(sources: Sources): Promise<Settings> {
  const problems = await problemsOf(sources);
  if (problems.length > 0) throw toError(problems, sources.file);
  const said = layerSettings(sources.list.map(({ values }) => values));
  return {
    root: stateRoot(process.env),
    server: said.server ?? null,
    remote: said.remote ?? null,
    running: completeSettings(said),
    sources: sources.list,
    file: sources.file,
  };
}

/** Everything that is wrong with the settings: by themselves and, where they are each right, between them. */
export async function problemsOf({ list, problems }: Sources): Promise<readonly SettingProblem[]> {
  const said = layerSettings(list.map(({ values }) => values));
  const wrong = [...serverProblem(said), ...checkRelations(completeSettings(said))].map(
    async ({ path, other, message }) => {
      const own = await originOf(list, path);
      // A default is not what somebody wrote: then the other one was set.
      const origin = own.kind === "default" && other !== null ? await originOf(list, other) : own;
      // A flag or variable names the setting itself, unless it is about the other one.
      const isNamed = (origin === own && origin.kind === "environment") || origin.kind === "flag";
      return { origin, text: isNamed ? message : `${path.join(".")}: ${message}` };
    },
  );
  return [...problems, ...(await Promise.all(wrong))];
}

function serverProblem({ server }: FileSettings): { path: string[]; other: null; message: string }[] {
  const parsed = server === undefined ? null : parseServerId(server);
  return parsed === null || parsed.ok ? [] : [{ path: ["server"], other: null, message: parsed.error }];
}

/** A variable that fleetd does not know may be a handler's; one that is nearly fleetd's is a typing error. */
function warnOfStrangers(strangers: readonly string[]): void {
  const names = VARIABLES.map((name) => name.slice("FLEETD_".length));
  for (const stranger of strangers) {
    const near = didYouMean(stranger.slice("FLEETD_".length), names).replace('"', '"FLEETD_');
    if (near !== "") printNotice(`fleetd: unknown variable "${stranger}"${near}`);
  }
}

/** The files of the server that this command is about. @throws FleetError CONFIG when none or several could be meant */
export function requireServer(settings: Pick<Settings, "root" | "server">): ServerPaths {
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
