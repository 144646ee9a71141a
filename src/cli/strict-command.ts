import { type CommandDef, defineCommand } from "citty";
import { type ArgumentDefinitions, isNeeded, type ParsedArguments } from "./argument.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { parseWords } from "./parse-words.ts";

/** `name` is the whole name, `"queue retry"` for a command of a group; `description` is one line for the lists. */
export type CommandMeta = { readonly name: string; readonly description: string };

/** What `run` may end with: nothing for exit code 0, or the exit code of an answer that is no failure (0-255). */
export type Outcome = Promise<number | undefined> | Promise<void>;

/** A command as its label file writes it. */
export type CommandDefinition<T extends ArgumentDefinitions> = {
  readonly meta: CommandMeta;
  readonly args?: T;
  /** Whole lines to copy, each starting with `fleetd`. */
  readonly examples?: readonly string[];
  readonly run: (context: { readonly args: AllArguments<T> }) => Outcome;
};

/** The arguments a command defined and the global flags; its own definition of a global flag wins. */
export type AllArguments<T extends ArgumentDefinitions> = ParsedArguments<
  Omit<typeof GLOBAL_FLAGS, keyof T> & T
>;

/** A command that refuses what it does not know; `definition` is citty's, the rest is for help. */
export type StrictCommand = {
  readonly kind: "command";
  readonly meta: CommandMeta;
  /** Its own arguments first, then the global flags it did not define itself. */
  readonly args: ArgumentDefinitions;
  readonly examples: readonly string[];
  readonly usage: string;
  readonly definition: CommandDef;
};

/**
 * Defines a command that takes exactly what it declares: unknown flags, surplus words, missing or repeated values are
 * refused with exit code 64 and a suggestion. citty gets a definition without arguments, since its parser would accept
 * them; `run` is handed the strict ones.
 */
export function strictCommand<const T extends ArgumentDefinitions = Record<never, never>>(
  definition: CommandDefinition<T>,
): StrictCommand {
  const { meta, run } = definition;
  const own: ArgumentDefinitions = definition.args ?? {};
  const args: ArgumentDefinitions = { ...own, ...withoutKeysOf(GLOBAL_FLAGS, own) };
  const usage = usageOf(meta.name, own);
  return {
    kind: "command",
    meta,
    args,
    examples: definition.examples ?? [],
    usage,
    definition: defineCommand({
      meta: { name: meta.name, description: meta.description },
      run: ({ rawArgs }) => {
        const parsed = parseWords({ name: meta.name, args, usage }, rawArgs);
        // The one place where the names checked at run time become the types of the definition they came from.
        return run({ args: parsed as AllArguments<T> });
      },
    }),
  };
}

function withoutKeysOf(definitions: ArgumentDefinitions, taken: ArgumentDefinitions): ArgumentDefinitions {
  return Object.fromEntries(Object.entries(definitions).filter(([name]) => !Object.hasOwn(taken, name)));
}

function usageOf(name: string, own: ArgumentDefinitions): string {
  const words: string[] = [];
  for (const [argument, definition] of Object.entries(own)) {
    if (definition.type === "boolean") continue;
    if (definition.type !== "positional") {
      if (definition.required === true) words.push(`--${argument} ${valueHintOf(argument, definition)}`);
      continue;
    }
    const word = definition.repeatable === true ? `${argument.toUpperCase()}...` : argument.toUpperCase();
    words.push(isNeeded(definition) ? word : `[${word}]`);
  }
  return ["fleetd", name, ...words, "[flags]"].join(" ");
}

/** What stands for the value of a flag in help and usage. */
export function valueHintOf(name: string, definition: { readonly valueHint?: string }): string {
  return definition.valueHint ?? name.toUpperCase();
}
