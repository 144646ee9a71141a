import { formatDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { autoPause } from "../../fleet/messaging/auto-pause.ts";
import {
  countOpen,
  countParked,
  findRuns,
  type HandlerRun,
  listRuns,
  releaseRun,
} from "../../fleet/messaging/handler-runs.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { systemClock } from "../../platform/clock.ts";
import { parseIdPart, requireOne } from "../id-part.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import type { Piece } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { parseCount, withSession } from "../session.ts";

/** The arguments of `handlers`, as typed. */
export interface HandlersArguments {
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Lists what handlers were given: what waits for the operator first. */
export async function listHandlers(args: HandlersArguments & { readonly limit: string }): Promise<void> {
  const limit = parseCount("limit", args.limit);
  await withSession(args, (session) => {
    const { state, identity } = session.mailbox();
    const nowWallMs = systemClock.wallMs();
    const runs = listRuns(state, limit);
    const isPaused = autoPause(state, nowWallMs) !== null;
    if (args.json) {
      const counts = { open: countOpen(state), parked: countParked(state) };
      printJson("handlers", { server: identity.server, paused: isPaused, ...counts, runs: runs.map(toJson) });
    } else if (runs.length === 0) {
      printText("No handler was given anything");
    } else {
      const style = openStyle(args);
      if (isPaused) printText(style.yellow('Everything automatic is paused: "fleetd resume auto" ends that'));
      printText(renderTable(tableOf(runs, style, nowWallMs), style, terminalWidth()));
    }
    return Promise.resolve();
  });
}

/** Lets a parked run wait for its handler again. */
export async function retryHandler(args: HandlersArguments & { readonly id: string }): Promise<void> {
  await withSession(args, (session) => {
    const { state } = session.mailbox();
    const run = requireOne(
      findRuns(state, parseIdPart(args.id)),
      args.id,
      "no handler was given such a message",
    );
    const isReleased = state.transaction(() => releaseRun(state, run, systemClock.wallMs()));
    if (!isReleased) {
      throw new FleetError(
        "BAD_INPUT",
        `Cannot run "${shortId(run.id)}" again: its run is ${run.state}, only parked ones wait for that`,
      );
    }
    if (args.json) printJson("handlers.retry", { id: run.id, from: run.from, rule: run.rule });
    else printText(`${shortId(run.id)} of ${run.from} waits for the handler of rule ${run.rule} again`);
    return Promise.resolve();
  });
}

const durationOf = ({ startedWallMs, endedWallMs }: HandlerRun): number | null =>
  startedWallMs === null || endedWallMs === null ? null : Math.max(0, endedWallMs - startedWallMs);

function tableOf(runs: readonly HandlerRun[], style: Style, nowWallMs: number) {
  const stateOf = (run: HandlerRun): Piece => {
    if (run.state === "parked") return style.red("parked");
    if (run.state !== "done") return style.yellow(run.state === "started" ? "running" : "queued");
    return run.exitCode === 0 ? style.green("handled(0)") : style.yellow(`handled(${run.exitCode})`);
  };
  const rows = runs.map((run) => {
    const durationMs = durationOf(run);
    return [
      shortId(run.id),
      run.from,
      run.rule,
      stateOf(run),
      durationMs === null ? "" : formatDuration(durationMs),
      String(run.attempts),
      formatRelativeTime(run.queuedWallMs, nowWallMs),
      run.reason === "" ? run.subject : run.reason,
    ];
  });
  const columns = [
    { title: "ID", keepWhole: true },
    { title: "FROM" },
    { title: "RULE" },
    { title: "STATE", keepWhole: true },
    { title: "TOOK" },
    { title: "TRIES" },
    { title: "CAME" },
    { title: "SUBJECT OR REASON" },
  ];
  return { columns, rows };
}

const instantOf = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

const toJson = (run: HandlerRun): Record<string, unknown> => ({
  id: run.id,
  from: run.from,
  subject: run.subject,
  rule: run.rule,
  state: run.state,
  attempts: run.attempts,
  exit_code: run.exitCode,
  reason: run.reason,
  duration_ms: durationOf(run),
  reply_id: run.replyId,
  queued_at: instantOf(run.queuedWallMs),
  due_at: run.state === "queued" ? instantOf(run.dueWallMs) : null,
  started_at: instantOf(run.startedWallMs),
  ended_at: instantOf(run.endedWallMs),
});
