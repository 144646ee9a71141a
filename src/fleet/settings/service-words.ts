/** The words a definition of a service is made of: what one value of it may be, and what the file may say short. */
import * as v from "valibot";

/** Something wrong inside a value; `path` begins at that value. */
interface InnerIssue {
  readonly path: readonly string[];
  readonly message: string;
  readonly isUnknownKey: boolean;
}

/** A table whose keys are the operator's own: each key and value is looked at by itself. */
export interface FreeTable<T> {
  /** What the table is, for an error: "need services: NAME: TABLE". */
  readonly need: string;
  readonly entriesMax: number;
  readonly keyProblem: (key: string) => string | null;
  readonly value: v.GenericSchema<unknown, T>;
}

/**
 * A table of the operator's own keys. Not `v.record`: it passes over a key that is called "constructor", neither
 * checked nor kept.
 */
export function freeTable<T>({ need, entriesMax, keyProblem, value }: FreeTable<T>) {
  return v.pipe(
    v.custom<Readonly<Record<string, unknown>>>(isTable, need),
    v.rawTransform<Readonly<Record<string, unknown>>, Readonly<Record<string, T>>>(
      ({ dataset, addIssue, NEVER }) => {
        const entries = Object.entries(dataset.value);
        if (entries.length > entriesMax) addIssue({ message: `need at most ${entriesMax} entries` });
        const read: [string, T][] = [];
        let isWrong = entries.length > entriesMax;
        for (const [key, one] of entries.slice(0, entriesMax)) {
          const problems = entryProblems(key, one, { keyProblem, value }, read);
          isWrong ||= problems.length > 0;
          for (const { path, message, isUnknownKey } of problems) {
            // What is expected of an unknown key is "never", as strict tables have it.
            addIssue({ message, path: toPath(path), ...(isUnknownKey ? { expected: "never" } : {}) });
          }
        }
        return isWrong ? NEVER : Object.fromEntries(read);
      },
    ),
  );
}

function entryProblems<T>(
  key: string,
  one: unknown,
  { keyProblem, value }: Pick<FreeTable<T>, "keyProblem" | "value">,
  read: [string, T][],
): InnerIssue[] {
  const wrong = key === "__proto__" ? "this name is reserved" : keyProblem(key);
  if (wrong !== null) return [{ path: [key], message: wrong, isUnknownKey: false }];
  const parsed = v.safeParse(value, one);
  if (parsed.success) {
    read.push([key, parsed.output]);
    return [];
  }
  return parsed.issues.map((issue) => ({
    path: [key, ...(issue.path ?? []).map((item) => String(item.key))],
    message: issue.message,
    isUnknownKey: isUnknownKey(issue),
  }));
}

/** Whether an issue is a key that nobody knows. */
export const isUnknownKey = (issue: { readonly type: string; readonly expected: string | null }): boolean =>
  issue.expected === "never" && (issue.type === "strict_object" || issue.type === "raw_transform");

/** A path as the validator has it. */
export function toPath(keys: readonly string[]): [v.IssuePathItem, ...v.IssuePathItem[]] | undefined {
  const items = keys.map(
    (key): v.IssuePathItem => ({ type: "unknown", origin: "value", input: null, key, value: null }),
  );
  const [first, ...rest] = items;
  return first === undefined ? undefined : [first, ...rest];
}

/** What may be said short: `expand` makes of a short form what `schema` reads, and leaves everything else. */
export function shortForm<T>(expand: (value: unknown) => unknown, schema: v.GenericSchema<unknown, T>) {
  return v.pipe(v.unknown(), v.transform(expand), schema);
}

/** One value or a list of them, always a list once it is read. */
export function oneOrMore<T>(one: v.GenericSchema<unknown, T>, max: number) {
  return shortForm(
    (value) => (Array.isArray(value) ? value : [value]),
    v.pipe(v.array(one), v.minLength(1, "need at least one"), v.maxLength(max, `need at most ${max}`)),
  );
}

/** Whether something is a table, not a list. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Text that a system call takes. */
export const plainText = v.pipe(
  v.string("need text"),
  v.maxLength(32_768, "need at most 32,768 characters"),
  v.check((text) => !text.includes("\0"), "need text without NUL"),
);

/** A path that means the same wherever fleetd was started. */
export const absolutePath = v.pipe(
  plainText,
  v.check((path) => isAbsolutePath(path), "need an absolute path"),
);

/** Whether a path is absolute here or on Windows. */
export const isAbsolutePath = (path: string): boolean => /^(?:\/|[A-Za-z]:[\\/])/.test(path);

/** A word of a command. A whole number is what it looks like; of 1.10 YAML makes 1.1, which nobody wrote. */
const word = v.pipe(
  v.union(
    [v.string(), v.pipe(v.number(), v.safeInteger("need text: put it in quotes"))],
    "need text: put it in quotes",
  ),
  v.transform(String),
  plainText,
);

/** A program and its words, for the system and never for a shell. */
export const argv = v.pipe(
  v.array(word, "need a list: program, then its arguments"),
  v.minLength(1, "need a program"),
  v.maxLength(1_000, "need at most 1000 words"),
  v.check(
    ([program = ""]) => isProgram(program),
    "need an absolute path or the name of a program on the PATH: a relative path would mean something else in every folder",
  ),
);

const isProgram = (program: string): boolean =>
  isAbsolutePath(program) || (program !== "" && !/[\\/]/.test(program));

/** A port as TCP has them. */
export const port = v.pipe(
  v.number("need a port: 1 to 65535"),
  v.safeInteger("need a port: 1 to 65535"),
  v.minValue(1, "need a port: 1 to 65535"),
  v.maxValue(65_535, "need a port: 1 to 65535"),
);

/** A whole number in a range. */
export const between = (least: number, most: number) => {
  const need = `need a whole number, ${least} to ${most}`;
  return v.pipe(v.number(need), v.safeInteger(need), v.minValue(least, need), v.maxValue(most, need));
};
