import { parseDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { replyBudgets } from "../../fleet/messaging/decide-reply.ts";
import { type InboxFilter, listNewest, shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { type Rule, renderTemplate } from "../../fleet/messaging/match-rules.ts";
import { clockSkewOf, isExpired } from "../../fleet/messaging/message-expiry.ts";
import type { IndexedMessage } from "../../fleet/messaging/message-index.ts";
import { type Plan, planAction } from "../../fleet/messaging/plan-action.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Bucket } from "../../resilience/token-bucket.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { writtenAt } from "../message-views.ts";
import { printJson, printText } from "../output/print-answer.ts";
import type { Piece } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { parseCount, type Session, typed, withSession } from "../session.ts";
import { loadSettings } from "../settings.ts";
import { deedOf, type RulesArguments } from "./rules.ts";

/** The arguments of `rules test`, as typed. */
export interface RulesTestArguments extends RulesArguments {
  readonly since: string;
  readonly from: string | undefined;
  readonly limit: string;
  readonly message: string | undefined;
}

/** One message and what the rules would make of it. `text`: the answer, as far as it can be told without a daemon. */
interface Tried {
  readonly one: IndexedMessage;
  readonly plan: Plan;
  readonly text: string | null;
}

/**
 * Decides on messages that came before with the rules as they are now, in their order, with the code of the daemon and
 * budgets that are full at the beginning. Nothing is sent, run or remembered.
 */
export async function testRules(args: RulesTestArguments): Promise<void> {
  const settings = await loadSettings(args);
  const nowWallMs = systemClock.wallMs();
  const filter: InboxFilter = {
    from: args.from,
    sinceWallMs: nowWallMs - typed<number>(parseDuration(args.since)),
    limit: parseCount("limit", args.limit),
  };
  await withSession(args, async (session) => {
    await refreshIndex(session, { offline: true });
    const index = session.mailbox().index();
    const messages = args.message === undefined ? listNewest(index, filter) : [named(session, args.message)];
    const tried = tryRules(session, settings.running, messages);
    if (args.json) {
      printJson("rules.test", { server: session.mailbox().identity.server, messages: tried.map(toJson) });
      return;
    }
    if (tried.length === 0) {
      printText("No messages");
      return;
    }
    const style = openStyle(args);
    const rows = tried.map((row) => [
      shortId(row.one.message.id),
      row.one.message.from,
      writtenAt(row.one.message, nowWallMs),
      row.plan.rule?.name ?? "",
      deed(row, style),
      row.one.message.subject,
    ]);
    const columns = [
      { title: "ID", keepWhole: true },
      { title: "FROM" },
      { title: "WRITTEN" },
      { title: "RULE" },
      { title: "WOULD" },
      { title: "SUBJECT" },
    ];
    printText(renderTable({ columns, rows }, style, terminalWidth()));
  });
}

function named(session: Session, part: string): IndexedMessage {
  const found = requireMessage(session.mailbox().index(), part);
  if (found.toMe) return found;
  throw new FleetError("BAD_INPUT", `Cannot test message "${part}": it is not to this server`);
}

function tryRules(
  session: Session,
  { auto_reply, rules, groups }: ServerSettings,
  messages: readonly IndexedMessage[],
): Tried[] {
  const { identity, index } = session.mailbox().receivePorts();
  const buckets = new Map<string, Bucket>();
  return messages.map((one) => {
    const { message, receivedWallMs } = one;
    const plan = planAction(message, {
      server: identity.server,
      groups,
      nowMs: receivedWallMs,
      answered: false,
      hasRun: false,
      paused: false,
      enabled: auto_reply.enabled,
      defaultRule: auto_reply.status,
      rules,
      expired: isExpired(message, {
        receivedMs: receivedWallMs,
        nowMs: receivedWallMs,
        skewMs: clockSkewOf(index, message.from),
      }),
      budgets: replyBudgets(auto_reply),
      bucket: (name) => buckets.get(name) ?? null,
    });
    if (plan.act === "answer" || plan.act === "nothing") {
      for (const [name, bucket] of plan.buckets) buckets.set(name, bucket);
    }
    return { one, plan, text: textOf(plan, one, identity.server) };
  });
}

/** Only a running daemon knows how it is. */
const LIVE_STATUS = "(live status)";

function textOf(plan: Plan, { message }: IndexedMessage, server: string): string | null {
  if (plan.act !== "answer") return null;
  const template = plan.rule.rule?.reply ?? "{status}";
  const { from, subject } = message;
  return renderTemplate(template, { server, from, subject, status: () => LIVE_STATUS });
}

function deed({ plan, text }: Tried, style: Style): Piece {
  switch (plan.act) {
    case "answer":
      return style.green(`answer ${text}`);
    case "ack":
      return style.green("ack");
    case "run":
      return style.green(plan.rule.rule === null ? "run" : deedOf(plan.rule.rule));
    case "nothing":
      return style.dim(`nothing: ${plan.silence}`);
  }
}

function toJson({ one, plan, text }: Tried): Record<string, unknown> {
  const { id, from, subject } = one.message;
  const rule: Rule | null = plan.rule?.rule ?? null;
  return {
    id,
    from,
    subject,
    received_at: new Date(one.receivedWallMs).toISOString(),
    history: one.history,
    rule: plan.rule?.name ?? null,
    act: plan.act,
    silence: plan.act === "nothing" ? plan.silence : null,
    reply: text,
    command: plan.act === "run" ? (rule?.run ?? null) : null,
  };
}
