/**
 * Which rule a message falls under. Pure: a message, the rules of this machine, and how this machine is addressed.
 */
import type { ServerSettings } from "../settings/model.ts";
import { isDirect, type MessageEntry } from "./model.ts";

/** One rule of the configuration. */
export type Rule = ServerSettings["rules"][number];

/** The rule that answers by default; its name is part of the ids of its answers. */
export const STATUS_RULE = "status";

/** What a rule makes of a message. */
export type RuleAction = "reply" | "status" | "ack" | "run" | "ignore";

/** A rule that matched; `rule` is null for the one that every server has. */
export interface MatchedRule {
  readonly name: string;
  readonly action: RuleAction;
  readonly rule: Rule | null;
}

/** How a message came here: by this server's name, to everybody, or to a group of this server. */
export function audienceOf(message: MessageEntry, server: string): "direct" | "broadcast" | "group" {
  if (isDirect(message.to, server)) return "direct";
  return message.to.includes("all") ? "broadcast" : "group";
}

/** The first of `rules` that matches, then the default one if it is on; null when none does. */
export function findRule(
  message: MessageEntry,
  rules: readonly Rule[],
  on: { readonly server: string; readonly defaultRule: boolean },
): MatchedRule | null {
  const rule = rules.find((one) => isMatch(message, one.match, on.server));
  if (rule !== undefined) return { name: rule.name, action: actionOf(rule), rule };
  if (!(on.defaultRule && asksForStatus(message))) return null;
  return { name: STATUS_RULE, action: "status", rule: null };
}

/** What a rule does: the one of its actions that is there. */
export function actionOf(rule: Rule): RuleAction {
  if (rule.reply !== undefined) return "reply";
  if (rule.run !== undefined) return "run";
  if (rule.status === true) return "status";
  return rule.ack === true ? "ack" : "ignore";
}

/** The default rule: a request, a question, or a word that asks how this server is. */
export function asksForStatus(message: MessageEntry): boolean {
  if (message.kind === "request") return true;
  const texts = [message.subject.trim(), message.body.trim()];
  return texts.some((text) => text.endsWith("?") || /\b(?:status|ping|health|report)\b/i.test(text));
}

/** Facts of a message that a template may name; whatever else stands in braces stays as it is. */
export interface TemplateFacts {
  readonly server: string;
  readonly from: string;
  readonly subject: string;
  /** Asked only where the template names it. */
  readonly status: () => string;
}

/** The text of a `reply` rule. What is put in is not looked at again, so a subject cannot name another fact. */
export function renderTemplate(template: string, facts: TemplateFacts): string {
  return template.replace(/\{(server|from|subject|status)\}/g, (_, name: keyof TemplateFacts) => {
    const value = facts[name];
    return typeof value === "string" ? value : value();
  });
}

type Match = Rule["match"];

/** Every condition that stands there holds; of the values of one condition any, but of labels all. */
function isMatch(message: MessageEntry, match: Match, server: string): boolean {
  const { subject, body } = message;
  return (
    isAny(match.kind, (kind) => kind === (message.kind ?? "info")) &&
    isAny(match.priority, (priority) => priority === (message.priority ?? "normal")) &&
    isAny(match.to, (to) => to === audienceOf(message, server)) &&
    isAny(match.from, (pattern) => isGlobMatch(pattern, message.from)) &&
    (match.labels ?? []).every((label) => hasLabel(message, label)) &&
    isAny(match.subject, (word) => hasWord(subject, word)) &&
    isAny(match.body, (word) => hasWord(body, word)) &&
    isAny(match.text, (word) => hasWord(subject, word) || hasWord(body, word))
  );
}

const isAny = <T>(values: readonly T[] | undefined, holds: (value: T) => boolean): boolean =>
  values === undefined || values.some(holds);

/** `*` stands for any characters; a pattern has nothing else that would mean something. */
function isGlobMatch(pattern: string, text: string): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return pattern === text;
  if (!text.startsWith(head)) return false;
  let from = head.length;
  for (const part of rest) {
    const found = text.indexOf(part, from);
    if (found === -1) return false;
    from = found + part.length;
  }
  return text.length - tail.length >= from && text.endsWith(tail);
}

function hasLabel(message: MessageEntry, label: string): boolean {
  const labels = message.labels ?? {};
  const end = label.indexOf("=");
  const name = end === -1 ? label : label.slice(0, end);
  if (!Object.hasOwn(labels, name)) return false;
  return end === -1 || labels[name] === label.slice(end + 1);
}

const IS_WORD = /[\p{L}\p{N}_]/u;

/** Whether `word` stands in `text` as a whole word (or several), whatever the case. */
function hasWord(text: string, word: string): boolean {
  const [haystack, needle] = [text.toLowerCase(), word.toLowerCase()];
  for (let at = haystack.indexOf(needle); at !== -1; at = haystack.indexOf(needle, at + 1)) {
    // Two units hold one character; a look at all that is before would make a hostile body quadratic.
    const end = at + needle.length;
    const before = haystack.slice(Math.max(0, at - 2), at).match(/.$/su)?.[0] ?? "";
    const after = haystack.slice(end, end + 2).match(/^./su)?.[0] ?? "";
    if (!(isInWord(before, needle.at(0)) || isInWord(after, needle.at(-1)))) return true;
  }
  return false;
}

/** A word that begins or ends with a sign (`c++`, `#12`) has no border there. */
const isInWord = (neighbour: string, edge: string | undefined): boolean =>
  IS_WORD.test(neighbour) && IS_WORD.test(edge ?? "");
