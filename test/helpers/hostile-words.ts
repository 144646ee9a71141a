// Words that turn a careless program against its user: options where a name belongs, shell, transports that run
// commands, paths that leave their folder, numbers that are none. The one idea: a program called `MARKER` stands on the
// PATH and leaves a file when anything runs it, so "nothing was run" can be looked at.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ArgumentDefinition } from "../../src/cli/argument.ts";
import type { CommandGroup, CommandTable } from "../../src/cli/command-table.ts";
import type { StrictCommand } from "../../src/cli/strict-command.ts";

/** A program that must never run; a name without a slash, so that it also fits into the host of an address. */
export const MARKER = "fleetd-test-marker";

/** One argument of one command. */
export interface CommandArgument {
  readonly command: StrictCommand;
  readonly name: string;
  readonly definition: ArgumentDefinition;
}

/** Every argument of every command of `table`: a command that is added is among them without anybody saying so. */
export async function argumentsOf(table: CommandTable): Promise<CommandArgument[]> {
  const found: CommandArgument[] = [];
  for (const entry of Object.values(table)) found.push(...(await argumentsIn(await entry.load())));
  return found;
}

async function argumentsIn(command: StrictCommand | CommandGroup): Promise<CommandArgument[]> {
  if (command.kind === "group") return await argumentsOf(command.commands);
  return Object.entries(command.args).map(([name, definition]) => ({ command, name, definition }));
}

/** Words to be given as an address of a remote. A file `evil` in the working folder is ssh's own way to run one. */
export const HOSTILE_ADDRESSES: readonly string[] = [
  `ext::${MARKER}`,
  `ext::sh -c ${MARKER}% x`,
  `EXT::${MARKER}`,
  "fd::7",
  `-oProxyCommand=${MARKER}`,
  `--upload-pack=${MARKER}`,
  `ssh://-oProxyCommand=${MARKER}/x`,
  `ssh://x@-oProxyCommand=${MARKER}/x`,
  `ssh://-oProxyCommand=${MARKER}@localhost/x`,
  `ssh://localhost:-oProxyCommand=${MARKER}/x`,
  `git+ssh://-oProxyCommand=${MARKER}/x`,
  "ssh://-Fevil/x",
  "x@-Fevil:x",
  "[-Fevil]:x",
  "-Fevil@localhost:x",
  `[-oProxyCommand=${MARKER}]:x`,
  `git://-oProxyCommand=${MARKER}/x`,
  `ssh://%2DoProxyCommand%3D${MARKER}/x`,
  `ssh://x@%2DFevil/x`,
  `ssh://localhost/$(${MARKER})`,
  `ssh://localhost/'; ${MARKER}; '`,
  `localhost:\`${MARKER}\``,
  `env:${MARKER}`,
  "file:evil",
  "file:///no/such/folder",
  "file://localhost/no/such/folder",
  "http://127.0.0.1:1/x",
  `http://-oProxyCommand=${MARKER}/`,
];

/** Words for any argument. */
export const HOSTILE_WORDS: readonly string[] = [
  ...HOSTILE_ADDRESSES,
  `-c core.sshCommand=${MARKER}`,
  `--exec=${MARKER}`,
  `--receive-pack=${MARKER}`,
  `--config=core.fsmonitor=${MARKER}`,
  `$(${MARKER})`,
  `\`${MARKER}\``,
  `;${MARKER};`,
  `| ${MARKER}`,
  `&& ${MARKER} &`,
  `\n${MARKER}\n`,
  `'"$(${MARKER})"'`,
  `%(${MARKER})`,
  `!${MARKER}`,
  "../../x",
  "..",
  "/dev/null",
  "/dev/zero",
  "/",
  "-",
  "--",
  "",
  " ",
  "*",
  "%s%n%00",
  "__proto__",
  "constructor",
  "toString",
  "NaN",
  "-0",
  "-1",
  "0",
  "1e999",
  "9007199254740993",
  "99999999999999999999999d",
  "275760-09-13",
  "0000-00-00",
  "@{u}",
  "@",
  "refs/heads/*:refs/heads/*",
  ":(exclude)x",
  "HEAD",
  "\u001B]52;c;aGk=\u0007\u001B[2J",
  "\u009B31m\u202Egnp.exe\u2066",
  "\uFFFD\uFEFF",
  "=",
  "a=b=c",
  "__proto__=1",
  ",,",
  "x".repeat(100_000),
];

/** Hooks that run where somebody fetches, pushes or works. */
export const CLIENT_HOOKS: readonly string[] = [
  "fsmonitor-watchman",
  "post-checkout",
  "post-index-change",
  "post-merge",
  "pre-auto-gc",
  "pre-push",
];
/** Hooks that run where somebody pushes to; the last one runs on both sides. */
const SERVER_HOOKS: readonly string[] = [
  "post-receive",
  "post-update",
  "pre-receive",
  "proc-receive",
  "update",
  "reference-transaction",
];

/** A folder with traps, and what was caught in them. */
export class Traps {
  readonly folder: string;
  readonly programs: string;
  readonly #marks: string;

  /** Makes the folder: `evil` for ssh, and in `programs` the marker and an ssh that is attentive. */
  constructor(folder: string) {
    this.folder = folder;
    this.programs = `${folder}/programs`;
    this.#marks = `${folder}/marks`;
    for (const one of [folder, this.programs, this.#marks]) mkdirSync(one, { recursive: true });
    this.put(`programs/${MARKER}`, this.script("marker"));
    writeFileSync(`${folder}/evil`, `Match exec ${MARKER}\n`);
    // No network is asked, and an option that came from an address is a catch even where ssh itself would refuse it.
    const isCaught = `case "$word" in -*${MARKER}*|-Fevil*) exec ${MARKER} "$@";; esac`;
    this.put(
      "programs/ssh",
      `#!/bin/sh\nfor word; do [ "$word" = -- ] && break; ${isCaught}; done\nexit 255\n`,
    );
  }

  /** Puts an executable file into the folder. */
  put(name: string, content: string): void {
    const path = `${this.folder}/${name}`;
    mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    writeFileSync(path, content, { mode: 0o755 });
  }

  /** A script that leaves a mark called `name`, with its own words and those of who ran it, and fails. */
  script(name: string): string {
    const mark = `'${this.#marks}/${name}'-$$`;
    return `#!/bin/sh\n{ echo "$0 $*"; tr '\\0' ' ' < /proc/$PPID/cmdline; } > ${mark} 2>&1\nexit 1\n`;
  }

  /** Puts a trap where each hook of a repository would be, or each of those that run where somebody pushes from. */
  plantHooks(repository: string, hooks: readonly string[] = [...CLIENT_HOOKS, ...SERVER_HOOKS]): void {
    mkdirSync(`${repository}/hooks`, { recursive: true });
    for (const hook of hooks)
      writeFileSync(`${repository}/hooks/${hook}`, this.script(hook), { mode: 0o755 });
  }

  /** What was run, in the words of the traps; empty when all is well. */
  caught(): string[] {
    return readdirSync(this.#marks).map(
      (name) => `${name}: ${readFileSync(`${this.#marks}/${name}`, "utf8")}`,
    );
  }

  /** Makes as if nothing had been caught. */
  forget(): void {
    for (const name of readdirSync(this.#marks)) rmSync(`${this.#marks}/${name}`);
  }
}
