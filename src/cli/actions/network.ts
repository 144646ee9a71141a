import { formatDuration } from "../../base/duration.ts";
import { EXIT_CODES, firstLineOf } from "../../base/errors.ts";
import { type Connectivity, testConnectivity } from "../../daemon/test-connectivity.ts";
import type { RemoteStatus } from "../../http/protocol.ts";
import { systemClock } from "../../platform/clock.ts";
import { commandSignal } from "../command-signal.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import { type SafeText, safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { sessionOf } from "../session.ts";
import { loadSettings, requireServer } from "../settings.ts";

/** The arguments of `network`, as typed. */
export interface NetworkArguments {
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** What each step asks, for people. */
const QUESTIONS = {
  dns: "find the host's name",
  tcp: "connect",
  tls: "speak TLS",
  folder: "find the repository",
  git: "ask git for the fleet's refs",
} as const;

/** Checks the way to the configured remote. Exit code 0, or 69 when some step failed. */
export async function network(args: NetworkArguments): Promise<number> {
  const settings = await loadSettings(args);
  const { timeouts } = settings.running;
  const session = sessionOf(requireServer(settings), settings.running);
  try {
    const mailbox = session.mailbox();
    const [found, daemon] = await Promise.all([
      testConnectivity(
        { check: mailbox.networkCheck(), remote: mailbox.remote() },
        {
          prefix: mailbox.identity.namespace,
          networkTimeoutMs: timeouts.network,
          gitTimeoutMs: timeouts.fetch,
          signal: commandSignal(),
        },
      ),
      session.ask((client) => client.status()),
    ]);
    commandSignal().throwIfAborted();
    const remote = mailbox.remote().displayUrl;
    const state = daemon?.remote ?? null;
    if (args.json) printJson("network", toJson(remote, found, state));
    else printPage(remote, found, { state, style: openStyle(args) });
    return found.success ? 0 : EXIT_CODES.UNAVAILABLE;
  } finally {
    await session.close();
  }
}

function printPage(
  remote: string,
  found: Connectivity,
  { state, style }: { state: RemoteStatus | null; style: Style },
): void {
  const verdict = found.success ? style.green("● reachable") : style.red("● not reachable");
  printText(safe`${verdict}  ${remote}`);
  if (found.skipped !== null)
    printText(safe`  ${style.dim("network not checked apart from git:")} ${found.skipped}`);
  const rows = found.steps.map(({ name, ok, durationMs, detail }) => [
    ok ? style.green("✓") : style.red("✗"),
    name,
    formatDuration(durationMs),
    QUESTIONS[name],
    firstLineOf(detail),
  ]);
  const columns = [
    { title: "" },
    { title: "STEP", keepWhole: true },
    { title: "TIME", align: "right", keepWhole: true },
    { title: "WHAT", keepWhole: true },
    { title: "FOUND" },
  ] as const;
  printText(renderTable({ columns, rows }, style, terminalWidth()));
  if (found.failure !== null) printText(safe`${style.red("✗")} ${firstLineOf(found.failure)}`);
  printText(safe`  ${style.dim("monitor")}  ${renderState(state)}`);
}

function renderState(state: RemoteStatus | null): SafeText {
  if (state === null) return safe`not running`;
  const { breaker, down } = state;
  if (breaker.state === "closed" && down === null) return safe`its breaker is closed: all is well`;
  const nowWallMs = systemClock.wallMs();
  const since = breaker.sinceWallMs ?? down?.sinceWallMs ?? nowWallMs;
  const again = breaker.refusesForMs > 0 ? `, tries again in ${formatDuration(breaker.refusesForMs)}` : "";
  const failed = breaker.state === "closed" ? `, ${breaker.failures} failed in a row` : "";
  const why = firstLineOf(down?.why ?? breaker.causes.at(-1) ?? "");
  return safe`its breaker is ${breaker.state} (${formatRelativeTime(since, nowWallMs)}${failed}${again}): ${why}`;
}

function toJson(remote: string, found: Connectivity, state: RemoteStatus | null): Record<string, unknown> {
  return {
    success: found.success,
    remote,
    target: found.target,
    skipped: found.skipped,
    steps: found.steps.map(({ name, ok, durationMs, detail }) => ({
      name,
      ok,
      duration_ms: durationMs,
      detail,
    })),
    failure: found.failure,
    monitor: state === null ? null : remoteToJson(state),
  };
}

const instantOf = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

/** How a daemon gets on with its remote, in the words of JSON answers. */
export function remoteToJson({ down, breaker, check, ...rest }: RemoteStatus): Record<string, unknown> {
  return {
    down: down === null ? null : { why: down.why, since: instantOf(down.sinceWallMs) },
    breaker: {
      state: breaker.state,
      failures: breaker.failures,
      since: instantOf(breaker.sinceWallMs),
      retry_in_ms: breaker.refusesForMs,
      causes: breaker.causes,
      counts: breaker.counts,
    },
    check:
      check === null
        ? null
        : {
            at: instantOf(check.atWallMs),
            ok: check.ok,
            skipped: check.skipped,
            target: check.target,
            stages: check.stages.map(({ name, ok, durationMs }) => ({ name, ok, duration_ms: durationMs })),
            failure: check.failure,
          },
    cycles: rest.cycles,
    push_budget: { holds: rest.pushBudget.holds, wait_ms: rest.pushBudget.waitMs },
    heartbeats: rest.heartbeats,
  };
}
