/** Services that are defined on the command line: a command, a program, or a file of definitions. */
import { statSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import { serviceNameProblem } from "../base/service-name.ts";
import { type ConfigFile, readConfigFile } from "../platform/config-file.ts";
import { describeIssue } from "./setting-sources.ts";

/** A definition as a file has it, under its name. */
export interface GivenService {
  readonly name: string;
  readonly definition: Readonly<Record<string, unknown>>;
}

/** The flags of `start` that describe a service. */
export interface DescribingFlags {
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly instances: string | undefined;
  readonly restart: string | undefined;
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly memory: string | undefined;
  readonly watch: boolean;
}

/** Who runs a program that is not executable by itself, by the end of its name. */
const INTERPRETERS: Readonly<Record<string, readonly string[]>> = {
  ".js": ["node"],
  ".mjs": ["node"],
  ".cjs": ["node"],
  ".ts": ["bun", "run"],
  ".py": ["python3"],
  ".rb": ["ruby"],
  ".sh": ["sh"],
};

/** Whether a word means a file, not the name of a service. */
export const isFileWord = (word: string): boolean =>
  word.includes("/") || word.includes("\\") || /\.\w+$/.test(word);

/** The service that runs `words`, found as this shell would find it. @throws FleetError USAGE */
export function fromCommand(name: string, words: readonly string[], flags: DescribingFlags): GivenService {
  const problem = serviceNameProblem(name);
  if (problem !== null) throw new FleetError("USAGE", `Cannot use name "${name}": ${problem}`);
  const [program = "", ...rest] = words;
  if (program === "") throw new FleetError("USAGE", "Missing command: it stands after --");
  const cwd = resolve(flags.cwd ?? ".");
  const found = /[\\/]/.test(program) ? resolve(cwd, program) : program;
  const path = process.env["PATH"];
  return {
    name,
    definition: {
      command: [found, ...rest],
      ...describe(flags, cwd),
      // Programs are found as where this was typed, not as where the daemon was started.
      env: { ...(path === undefined ? {} : { PATH: path }), ...parseEnv(flags.env) },
    },
  };
}

/** The service of a program that is named by its file. @throws FleetError BAD_INPUT when there is none */
export function fromProgram(file: string, name: string | undefined, flags: DescribingFlags): GivenService {
  const path = resolve(file);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new FleetError("BAD_INPUT", `Cannot start "${file}": there is no such file`);
  if (!found.isFile()) throw new FleetError("BAD_INPUT", `Cannot start "${file}": it is no file`);
  const isExecutable =
    process.platform === "win32" ? /\.(?:exe|cmd|bat)$/i.test(path) : (found.mode & 0o111) !== 0;
  const interpreter = isExecutable ? [] : INTERPRETERS[extname(path).toLowerCase()];
  if (interpreter === undefined) {
    throw new FleetError(
      "BAD_INPUT",
      `Cannot start "${file}": it is not executable, and nothing is known to run it`,
      {
        hint: "Name the program: fleetd start --name NAME -- PROGRAM FILE",
      },
    );
  }
  const ownName = basename(path, extname(path))
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-");
  return fromCommand(name ?? ownName, [...interpreter, path], flags);
}

/** The definitions in a file that has `services:` and nothing else. @throws FleetError BAD_INPUT with every mistake and its line */
export async function fromFile(file: string): Promise<readonly GivenService[]> {
  const found = await readDefinitions(resolve(file));
  if (found === null) throw new FleetError("BAD_INPUT", `Cannot read "${file}": there is no such file`);
  const { parseServicesFile } = await import("../fleet/settings/model.ts");
  const parsed = parseServicesFile(found.value);
  if (parsed.ok) {
    const services = (found.value as { services: Record<string, GivenService["definition"]> }).services;
    return Object.entries(services).map(([name, definition]) => ({ name, definition }));
  }
  const problems = await Promise.all(
    parsed.error.map(async (issue) => {
      const line = await found.lineOf(issue.path);
      return `${line === null ? "" : `line ${line}: `}${await describeIssue(issue)}`;
    }),
  );
  throw new FleetError("BAD_INPUT", `Cannot use "${file}": ${problems.join("; ")}`, {
    hint: "Need services: NAME: TABLE, and nothing else",
  });
}

async function readDefinitions(path: string): Promise<ConfigFile | null> {
  try {
    return await readConfigFile(path);
  } catch (thrown) {
    throw causedBy("BAD_INPUT", messageOf(thrown), thrown);
  }
}

function describe(flags: DescribingFlags, cwd: string): Record<string, unknown> {
  return {
    cwd,
    ...(flags.envFile.length === 0 ? {} : { env_file: flags.envFile.map((path) => resolve(path)) }),
    ...(flags.instances === undefined ? {} : { instances: Number(flags.instances) }),
    ...(flags.restart === undefined ? {} : { restart: flags.restart }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.group === undefined ? {} : { group: flags.group }),
    ...(flags.memory === undefined ? {} : { limits: { memory: flags.memory } }),
    ...(flags.watch ? { watch: true } : {}),
  };
}

function parseEnv(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at <= 0) throw new FleetError("USAGE", `Cannot read --env "${word}": need NAME=VALUE`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}
