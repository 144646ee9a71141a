import { formatDuration } from "../../base/duration.ts";
import { actionOf, type Rule, STATUS_RULE } from "../../fleet/messaging/match-rules.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { loadSettings } from "../settings.ts";

/** The arguments of `rules`, as typed. */
export interface RulesArguments {
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Lists the rules in the order in which they are asked; the first that matches wins. */
export async function listRules(args: RulesArguments): Promise<void> {
  const { running } = await loadSettings(args);
  const { rules, auto_reply } = running;
  const hasDefault = auto_reply.enabled && auto_reply.status;
  if (args.json) {
    printJson("rules", { auto_reply: auto_reply.enabled, default_rule: hasDefault, rules });
    return;
  }
  const style = openStyle(args);
  if (!auto_reply.enabled) printText(style.yellow("Automatic answers are switched off (auto_reply.enabled)"));
  const rows = rules.map((rule) => [rule.name, conditionsOf(rule), deedOf(rule)]);
  if (hasDefault) {
    rows.push([
      STATUS_RULE,
      "asks something: request, a question, status, ping, health, report",
      "live status",
    ]);
  }
  if (rows.length === 0) {
    printText("No rules");
    return;
  }
  const columns = [{ title: "RULE" }, { title: "MESSAGES" }, { title: "DOES" }];
  printText(renderTable({ columns, rows }, style, terminalWidth()));
}

function conditionsOf({ match }: Rule): string {
  const parts = Object.entries(match).map(([name, values]) => `${name} ${(values ?? []).join("|")}`);
  return parts.length === 0 ? "all" : parts.join(", ");
}

/** What a rule does, in a few words. */
export function deedOf(rule: Rule): string {
  const action = actionOf(rule);
  if (action === "reply") return `reply "${rule.reply}"`;
  if (action === "status") return "live status";
  if (action !== "run") return action;
  const timeout = rule.timeout === undefined ? "" : `, ${formatDuration(rule.timeout)} at most`;
  return `run ${(rule.run ?? []).join(" ")}${timeout}`;
}
