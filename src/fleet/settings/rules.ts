/**
 * The rules of a configuration: what is done with a message without anybody asking. A rule has a name, says which
 * messages it is about, and does one thing. The first rule that matches wins, so a list reads from top to bottom.
 */
import * as v from "valibot";
import { parseDuration } from "../../base/duration.ts";
import { readWith } from "./read-with.ts";

/** The rule that every server has; its name is part of the ids of its answers, so no other rule may have it. */
const BUILT_IN = "status";

const RULES_MAX = 200;
const WORDS_MAX = 50;

/** What a rule can do; exactly one of them stands in a rule. */
const ACTIONS = ["reply", "status", "ack", "run", "ignore"] as const;
/** What only a rule with `run` has. */
const RUN_KEYS = ["timeout", "on_crash", "attempts"] as const;

const ruleName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'need a name of a-z, 0-9 and "-", at most 63 characters'),
  v.check((name) => name !== BUILT_IN, `"${BUILT_IN}" is the rule that every server has; need another name`),
);
const serverGlob = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9*-]{1,63}$/, 'need a server id, where "*" stands for any characters'),
);
const word = v.pipe(v.string(), v.trim(), v.minLength(1, "need a word"), v.maxLength(200));
const label = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9._/-]{1,63}(?:=.{0,200})?$/s, 'need a label, "name" or "name=value"'),
);
const kinds = v.picklist(["info", "request", "response", "warning", "error", "update"]);
const priorities = v.picklist(["low", "normal", "high", "critical"]);
const onlyTrue = v.literal(true, "need true, or leave it out");
const command = v.pipe(
  v.array(
    v.pipe(
      v.string(),
      v.check((text) => !text.includes("\0"), "need words without NUL"),
    ),
    "need a list: program, then its arguments",
  ),
  v.minLength(1, "need a program"),
  v.maxLength(100),
  v.check(
    ([program]) => program === undefined || isProgram(program),
    "need an absolute path or the name of a program on the PATH",
  ),
);

const matchSchema = v.strictObject({
  kind: oneOrMore(kinds),
  from: oneOrMore(serverGlob),
  /** Any of these words in the subject, in the body, or in either. */
  subject: oneOrMore(word),
  body: oneOrMore(word),
  text: oneOrMore(word),
  /** All of these. */
  labels: oneOrMore(label),
  to: oneOrMore(v.picklist(["direct", "broadcast", "group"])),
  priority: oneOrMore(priorities),
});

const ruleSchema = v.pipe(
  v.strictObject({
    name: ruleName,
    match: v.optional(matchSchema, {}),
    reply: v.optional(v.pipe(v.string(), v.minLength(1, "need a text"), v.maxLength(16_384))),
    status: v.optional(onlyTrue),
    ack: v.optional(onlyTrue),
    run: v.optional(command),
    ignore: v.optional(onlyTrue),
    timeout: v.optional(readWith(parseDuration)),
    on_crash: v.optional(v.picklist(["park", "retry"])),
    attempts: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(100))),
  }),
  v.check(
    (rule) => ACTIONS.filter((action) => rule[action] !== undefined).length === 1,
    `need exactly one of ${ACTIONS.join(", ")}`,
  ),
  v.check(
    (rule) => rule.run !== undefined || RUN_KEYS.every((key) => rule[key] === undefined),
    `${RUN_KEYS.join(", ")} stand only beside run`,
  ),
);

/** One rule as the file has it; durations in ms. */
export type Rule = v.InferOutput<typeof ruleSchema>;

/** The `rules` of a file. */
export const rulesSchema = v.pipe(
  v.array(ruleSchema, "need a list of rules"),
  v.maxLength(RULES_MAX, `need at most ${RULES_MAX} rules`),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const seen = new Set<string>();
    for (const [position, rule] of dataset.value.entries()) {
      if (seen.has(rule.name)) {
        const at = {
          type: "array",
          origin: "value",
          input: dataset.value,
          key: position,
          value: rule,
        } as const;
        addIssue({ message: `the name "${rule.name}" is taken by a rule above`, path: [at] });
      }
      seen.add(rule.name);
    }
  }),
);

/** The keys inside a rule, dotted, for suggestions. */
export const RULE_KEYS: readonly string[] = [
  ...Object.keys(ruleSchema.entries).map((key) => `rules.${key}`),
  ...Object.keys(matchSchema.entries).map((key) => `rules.match.${key}`),
];

/** A relative path would mean something else in every folder. */
const isProgram = (program: string): boolean =>
  /^(?:\/|[A-Za-z]:[\\/])/.test(program) || (program !== "" && !/[\\/]/.test(program));

/** One value or a list of them, always a list once it is parsed. */
function oneOrMore<const T extends v.GenericSchema<string, string>>(one: T) {
  return v.optional(
    v.pipe(
      v.unknown(),
      v.transform((value) => (typeof value === "string" ? [value] : value)),
      v.array(one, "need one value or a list of them"),
      v.minLength(1, "need at least one"),
      v.maxLength(WORDS_MAX),
    ),
  );
}
