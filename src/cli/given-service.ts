/** Services that are defined on the command line: a command, a program, or a file of definitions. */
import { readFileSync, statSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import { serviceNameProblem } from "../base/service-name.ts";

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

/** The definitions in a file that has `services:` and nothing else. @throws FleetError BAD_INPUT */
export function fromFile(file: string): readonly GivenService[] {
  const path = resolve(file);
  let value: unknown;
  try {
    value = Bun.YAML.parse(readFileSync(path, "utf8"));
  } catch (thrown) {
    throw causedBy("BAD_INPUT", `Cannot read "${file}": ${messageOf(thrown)}`, thrown);
  }
  const services = typeof value === "object" && value !== null && "services" in value ? value.services : null;
  if (typeof services !== "object" || services === null || Array.isArray(services)) {
    throw new FleetError("BAD_INPUT", `Cannot read "${file}": need services: NAME: TABLE`);
  }
  const others = Object.keys(value as object).filter((key) => key !== "services");
  if (others.length > 0) {
    throw new FleetError(
      "BAD_INPUT",
      `Cannot read "${file}": found "${others[0]}", need services and nothing else`,
    );
  }
  return Object.entries(services).map(([name, definition]) => ({ name, definition }));
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
