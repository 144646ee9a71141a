import { EXIT_CODES } from "../../base/errors.ts";
import { kindOf } from "../../fleet/settings/model.ts";
import { renderValue } from "../../fleet/settings/render-value.ts";
import { SETTING_PATHS, type SettingPath, valueAt } from "../../fleet/settings/setting-paths.ts";
import { exists } from "../../platform/files.ts";
import { configPaths } from "../../platform/paths.ts";
import type { GlobalArguments } from "../global-flags.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { type Origin, originOf, readSources, renderProblem } from "../setting-sources.ts";
import { loadSettings, problemsOf, type Settings } from "../settings.ts";
import { shownValue } from "../shown-setting.ts";

type ConfigArguments = Omit<GlobalArguments, "help">;

/** Prints every setting with the value that holds, and on demand where it comes from. */
export async function showConfig(args: ConfigArguments & { readonly origin: boolean }): Promise<void> {
  const settings = await loadSettings(args);
  const rows = await Promise.all(
    SETTING_PATHS.map(async (path) => ({
      key: path.join("."),
      value: settingOf(settings, path),
      origin: await originOf(settings.sources, path),
    })),
  );
  if (args.json) {
    const list = rows.map((row) => ({ ...row, text: textOf(row.key, row.value) }));
    printJson("config.show", { file: settings.file, settings: list });
    return;
  }
  const style = openStyle(args);
  const cells = rows.map(({ key, value, origin }) => [
    key,
    ...(args.origin ? [origin.kind === "default" ? style.dim("default") : renderOrigin(origin)] : []),
    textOf(key, value),
  ]);
  // Values stand last: rules take hundreds of columns, and a column before another one is as wide as its widest.
  const titles = args.origin ? ["KEY", "ORIGIN", "VALUE"] : ["KEY", "VALUE"];
  const columns = titles.map((title) => ({ title, keepWhole: true }));
  printText(renderTable({ columns, rows: cells }, style, terminalWidth()));
}

/** Says everything that is wrong; a file that is named is judged by itself, without the environment. */
export async function checkConfig(
  args: ConfigArguments & { readonly file: string | undefined },
): Promise<number> {
  const sources =
    args.file === undefined
      ? await readSources(args, process.env)
      : await readSources({ config: args.file }, {});
  const problems = await problemsOf(sources);
  if (args.json) {
    printJson("config.check", { ok: problems.length === 0, file: sources.file, problems });
  } else if (problems.length === 0) {
    printText(safe`${sources.file ?? "No configuration file is there; the defaults"}: all is well`);
  } else {
    for (const problem of problems) {
      printText(
        problem.origin.kind === "file"
          ? safe`${problem.origin.path}:${problem.origin.line ?? 1}: ${problem.text}`
          : safe`${renderProblem(problem)}`,
      );
    }
  }
  return problems.length === 0 ? 0 : EXIT_CODES.CONFIG;
}

/** Prints the JSON Schema of the file. */
export async function printSchema(): Promise<void> {
  const { settingsJsonSchema } = await import("../../fleet/settings/json-schema.ts");
  printText(JSON.stringify(settingsJsonSchema(), null, 2));
}

/** Prints a commented file with every default. */
export async function printExample(args: ConfigArguments): Promise<void> {
  const { renderExample } = await import("../../fleet/settings/render-example.ts");
  if (args.json) printJson("config.example", { yaml: renderExample() });
  else printText(renderExample().trimEnd());
}

/** Prints where the file is looked for, and which one is used. */
export function showPaths(args: ConfigArguments): Promise<void> {
  const variable = process.env["FLEETD_CONFIG"];
  const given = args.config ?? (variable === "" ? undefined : variable);
  const paths = given === undefined ? configPaths(process.env) : [given];
  const used = paths.find((path) => exists(path)) ?? null;
  if (args.json) {
    printJson("config.path", { used, paths: paths.map((path) => ({ path, exists: exists(path) })) });
    return Promise.resolve();
  }
  const stateOf = (path: string): string => {
    if (path === used) return "in use";
    return exists(path) ? "passed over" : "not there";
  };
  const columns = [{ title: "FILE", keepWhole: true }, { title: "STATE" }];
  const rows = paths.map((path) => [path, stateOf(path)]);
  printText(renderTable({ columns, rows }, openStyle(args), terminalWidth()));
  return Promise.resolve();
}

function settingOf(settings: Settings, path: SettingPath): unknown {
  const key = path.join(".");
  if (key === "server") return settings.server;
  return shownValue(path, key === "remote" ? settings.remote : valueAt(settings.running, path));
}

const textOf = (key: string, value: unknown): string =>
  value === null || value === undefined ? "not set" : renderValue(value, kindOf(key));

function renderOrigin(origin: Origin): string {
  if (origin.kind === "default") return "default";
  if (origin.kind === "file") return `file ${origin.path}:${origin.line ?? 1}`;
  return `${origin.kind} ${origin.name}`;
}
