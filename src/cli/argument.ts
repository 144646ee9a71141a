type Flag = {
  readonly description: string;
  /** One letter is a short flag and shown in help; anything longer is an old spelling that is taken and never shown. */
  readonly alias?: string | readonly string[];
};

type BooleanFlag = Flag & {
  readonly type: "boolean";
  readonly default?: boolean;
  /** Tells "not given" (`undefined`) from "given as no"; otherwise a flag that is not given is `false`. */
  readonly optional?: true;
};

type ValueFlag = Flag & {
  /** What stands for the value in help, such as `"ID"`; the flag's own name in capitals otherwise. */
  readonly valueHint?: string;
  readonly default?: string;
  readonly required?: boolean;
  /** May be given again; the value is then a list, empty when the flag is not given. */
  readonly repeatable?: true;
};

type StringFlag = ValueFlag & { readonly type: "string" };
type EnumFlag = ValueFlag & { readonly type: "enum"; readonly options: readonly string[] };

/** A word without a flag. Needed unless it has a default or says `required: false`; only the last may repeat. */
export type Positional = {
  readonly type: "positional";
  readonly description: string;
  readonly default?: string;
  readonly required?: boolean;
  /** Takes every word that is left, as a list. */
  readonly repeatable?: true;
};

/** A flag of a command: citty's definition, and lists. */
export type FlagDefinition = BooleanFlag | StringFlag | EnumFlag;
export type ArgumentDefinition = FlagDefinition | Positional;
/** The arguments of a command by their name on the command line (`"reply-to"`), positionals in their order. */
export type ArgumentDefinitions = Readonly<Record<string, ArgumentDefinition>>;

type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

type TextOf<D> = D extends { type: "enum"; options: infer O extends readonly string[] } ? O[number] : string;

type ValueOf<D extends ArgumentDefinition> = D extends { type: "boolean" }
  ? D extends { optional: true }
    ? boolean | undefined
    : boolean
  : D extends { repeatable: true }
    ? readonly TextOf<D>[]
    : D extends { default: string } | { required: true }
      ? TextOf<D>
      : D extends { type: "positional" }
        ? D extends { required: false }
          ? string | undefined
          : string
        : TextOf<D> | undefined;

/** What a command's `run` is handed: `"reply-to"` is `replyTo`, and a name that was not defined does not compile. */
export type ParsedArguments<T extends ArgumentDefinitions> = {
  readonly [Name in keyof T & string as CamelCase<Name>]: ValueOf<T[Name]>;
};

/** `"reply-to"` as `"replyTo"`. */
export const toCamelCase = (name: string): string =>
  name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The aliases of a flag, as a list. */
export function aliasesOf(definition: FlagDefinition): readonly string[] {
  if (definition.alias === undefined) return [];
  return typeof definition.alias === "string" ? [definition.alias] : definition.alias;
}

/** Whether a positional must be given. */
export const isNeeded = (definition: Positional): boolean =>
  definition.required !== false && definition.default === undefined;

/** Whether a word on the command line is meant as a flag; `-` alone is not: it stands for standard input. */
export const looksLikeFlag = (word: string): boolean => word.length > 1 && word.startsWith("-");
