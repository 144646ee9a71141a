// The suite of words that are options, commands, transports and paths, short for every commit and long for the long run.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { looksLikeFlag } from "../../src/cli/argument.ts";
import { COMMANDS } from "../../src/cli/root.ts";
import type { StrictCommand } from "../../src/cli/strict-command.ts";
import { VARIABLES } from "../../src/fleet/settings/read-environment.ts";
import { Figures, seconds } from "./figures.ts";
import { argumentsOf, type CommandArgument, HOSTILE_WORDS, Traps } from "./hostile-words.ts";
import { inParallel } from "./in-parallel.ts";
import { createRandom } from "./random.ts";
import { type Ran, TempFleet } from "./temp-fleet.ts";

/** How many words each argument and each variable is given. */
export interface InjectionPlan {
  readonly wordsPerArgument: number;
  readonly wordsPerVariable: number;
  readonly timeoutMs: number;
}

/** The exit codes that an operator may meet: those of the design without the one of a bug, and of verdicts and signals. */
const CODES: ReadonlySet<number> = new Set([
  ...Object.values(EXIT_CODES).filter((code) => code !== EXIT_CODES.INTERNAL),
  0,
  3,
  128 + 15,
]);
/** Commands that may go on until they are told to stop. */
const ENDLESS = new Set(["monitor", "watch", "wait", "logs", "status"]);
const ENDLESS_AFTER_MS = 1_000;
/** Far above the slowest command, `quickstart`; chosen, not measured. */
const HANGS_AFTER_MS = 60_000;
/** A line of a stack trace, or the words of a bug. */
const STACK = /^\s+at .+[:(]|This is a bug|\$bunfs/m;
/** What no terminal may get: every output is looked at, since a refusal repeats what was typed. */
const RAW = /[\p{Cc}--[\n]]|[\u202A-\u202E\u2066-\u2069\u{FEFF}]/v;
/** Variables of before, and one that is no setting. */
const MORE_VARIABLES = ["SERVER_ID", "MONITOR_INTERVAL", "BUILD_REPO_PATH", "FLEETD_DEBUG"];
/** What every command has in common and parses in one place: once is as good as forty times. */
const SHARED = new Set(["help", "json", "color"]);
const SEED = Number(process.env["FLEETD_WORDS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** One call with one hostile word. */
interface Attempt {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Two servers, a folder with traps, and calls that try to fall into them. */
class InjectionRun {
  readonly #fleet = new TempFleet();
  // Deep enough that a path with some ".." stays in the temporary folder.
  readonly #traps = new Traps(`${this.#fleet.git.folder}/deep/er/traps`);
  readonly #random = createRandom(SEED);
  #id = "";
  #homes = 0;

  async start(): Promise<void> {
    await this.#fleet.init(["code1", "code2"]);
    const words = ["send", "body", "subject", "--to", "code1"];
    this.#id = String((await this.#fleet.json(words, { as: "code2" }))["id"]);
  }

  async close(): Promise<void> {
    await this.#fleet.remove();
  }

  /** `count` different words of the list. */
  take(count: number): readonly string[] {
    if (count >= HOSTILE_WORDS.length) return HOSTILE_WORDS;
    const chosen = new Set<string>();
    while (chosen.size < count) chosen.add(this.#pick(HOSTILE_WORDS));
    return [...chosen];
  }

  /** A call in which all is well but this one argument. */
  argumentCall({ command, name, definition }: CommandArgument, word: string): Attempt {
    const words = [...command.meta.name.split(" "), ...this.#others(command, name)];
    const isNew = command.meta.name === "init" || command.meta.name === "monitor";
    if (isNew && name !== "remote" && name !== "repo") words.push(`--remote=${this.#fleet.root}/remote.git`);
    const isJoined = definition.type === "boolean" || looksLikeFlag(word) || this.#random() < 0.5;
    if (definition.type === "positional") words.push("--", word);
    else words.push(...(isJoined ? [`--${name}=${word}`] : [`--${name}`, word]));
    return { words, env: isNew ? this.#newServer() : { FLEETD_SERVER: "code1" } };
  }

  /** A call that reads the environment, with this one variable set. */
  variableCall(variable: string, word: string): Attempt {
    const calls = ["status", "config show", "send text --timeout=300ms", "init", "doctor"];
    const words = this.#pick(calls).split(" ");
    const env = words[0] === "init" ? this.#newServer() : { FLEETD_SERVER: "code1" };
    return { words, env: { ...env, [variable]: word } };
  }

  /** Makes all these calls, two at a time, and tells what was wrong with them. */
  async judge(attempts: readonly Attempt[]): Promise<string[]> {
    const complaints = await inParallel(attempts, 2, async (attempt) => {
      const ran = await this.#run(attempt);
      const complaint = complaintAbout(ran);
      if (complaint === null) return [];
      const said = JSON.stringify([attempt.words, attempt.env]).slice(0, 400);
      return [`${said} ${complaint}: ${JSON.stringify(ran.stderr.slice(-300))}`];
    });
    return [...complaints.flat(), ...this.#traps.caught()];
  }

  /** Runs a call to its end, or tells what goes on for ever to stop. */
  async #run({ words, env }: Attempt): Promise<Ran> {
    const { environment } = this.#fleet;
    const path = `${this.#traps.programs}:${environment["PATH"]}`;
    const options = { cwd: this.#traps.folder, env: { PATH: path, ...env }, stdin: "" };
    const running = this.#fleet.start(words, options);
    const isEndless = ENDLESS.has(words[0] ?? "");
    let hangs = false;
    const stop = (): void => {
      hangs = !isEndless;
      process.kill(running.pid, "SIGTERM");
    };
    const timer = setTimeout(stop, isEndless ? ENDLESS_AFTER_MS : HANGS_AFTER_MS);
    const ran = await running.ended();
    clearTimeout(timer);
    return hangs ? { ...ran, code: -1 } : ran;
  }

  /** What the command needs besides the argument `name`. */
  #others({ args }: StrictCommand, name: string): string[] {
    const needed = Object.entries(args).filter(([other, its]) => {
      return other !== name && its.type === "positional" && its.required !== false;
    });
    const words = needed.map(([other]) => (other === "id" ? this.#id : "text"));
    return "timeout" in args && name !== "timeout" ? [...words, "--timeout=300ms"] : words;
  }

  /** A server that is not there yet, with a state folder of its own. */
  #newServer(): Record<string, string> {
    this.#homes += 1;
    return { FLEETD_HOME: `${this.#fleet.git.folder}/homes/${this.#homes}`, FLEETD_SERVER: "fresh" };
  }

  #pick(words: readonly string[]): string {
    return words[Math.floor(this.#random() * words.length)] ?? "";
  }
}

function complaintAbout(ran: Ran): string | null {
  if (ran.code === -1) return "does not end";
  if (!CODES.has(ran.code)) return `ends with ${ran.code}`;
  if (STACK.test(ran.stderr) || STACK.test(ran.stdout)) return "shows a stack";
  const raw = RAW.exec(ran.stderr) ?? RAW.exec(ran.stdout);
  return raw === null ? null : `prints U+${raw[0].codePointAt(0)?.toString(16)}`;
}

/** Defines the tests; see `InjectionPlan`. */
export function defineInjectionTests(plan: InjectionPlan): void {
  const run = new InjectionRun();
  const figures = new Figures(`words: hostile arguments and variables, FLEETD_WORDS_SEED=${SEED}`);
  beforeAll(() => run.start(), plan.timeoutMs);
  afterAll(async () => {
    figures.print();
    await run.close();
  });

  const judge = async (name: string, attempts: readonly Attempt[]): Promise<void> => {
    const startedMs = performance.now();
    expect(await run.judge(attempts)).toEqual([]);
    figures.add(name, `${attempts.length} calls in ${seconds(performance.now() - startedMs)}`);
  };

  test(
    "no word in any argument of any command runs anything, is a bug, or reaches the terminal raw",
    async () => {
      const all = await argumentsOf(COMMANDS);
      const different = all.filter(({ name }, index) => {
        return !SHARED.has(name) || all.findIndex((one) => one.name === name) === index;
      });
      const attempts = different.flatMap((argument) => {
        const count = argument.definition.type === "boolean" ? 1 : plan.wordsPerArgument;
        return run.take(count).map((word) => run.argumentCall(argument, word));
      });
      await judge("arguments", attempts);
    },
    plan.timeoutMs,
  );

  test(
    "no word in any variable of the environment does",
    async () => {
      const attempts = [...VARIABLES, ...MORE_VARIABLES].flatMap((variable) =>
        run.take(plan.wordsPerVariable).map((word) => run.variableCall(variable, word)),
      );
      await judge("variables", attempts);
    },
    plan.timeoutMs,
  );
}
