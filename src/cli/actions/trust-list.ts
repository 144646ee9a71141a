import { trustPolicy } from "../../fleet/messaging/trust.ts";
import { listTrusted, type TrustEntry, type TrustHow } from "../../fleet/messaging/trust-view.ts";
import { systemClock } from "../../platform/clock.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import { joinLines, type Piece, type SafeText, safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { withSession } from "../session.ts";

/** The arguments of `trust list`, as typed. */
export interface TrustListArguments {
  readonly offline: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** How trust is told in words. */
export const TRUST_WORDS: Readonly<Record<TrustHow, string>> = {
  own: "this server",
  "first-sight": "pinned on first sight",
  listed: "listed in the configuration",
  added: "added by hand",
  waiting: "waiting",
  "other-key": "other key",
  revoked: "revoked",
  purged: "purged",
};

/** Lists every known server with its key, the own one first. */
export async function listTrust(args: TrustListArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const ports = session.mailbox().receivePorts();
    const entries = listTrusted(ports);
    const { mode } = trustPolicy(ports.state);
    if (args.json) {
      printJson("trust", { server: ports.identity.server, mode, servers: entries.map(toTrustJson) });
      return;
    }
    printText(renderEntries(entries, openStyle(args), systemClock.wallMs()));
  });
}

const instantOf = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

/** One server as scripts read it. */
export const toTrustJson = (entry: TrustEntry): Record<string, unknown> => ({
  server: entry.server,
  trust: entry.how,
  fingerprint: entry.fingerprint,
  public_key: entry.publicKey,
  since: instantOf(entry.sinceWallMs),
  expected: entry.expected,
  former: entry.former.map((key) => ({
    fingerprint: key.fingerprint,
    public_key: key.publicKey,
    how: key.how,
    since: instantOf(key.sinceWallMs),
    until: instantOf(key.untilWallMs),
  })),
  advice: entry.advice,
});

function renderEntries(entries: readonly TrustEntry[], style: Style, nowWallMs: number): SafeText {
  const when = (wallMs: number | null): string =>
    wallMs === null ? "" : formatRelativeTime(wallMs, nowWallMs);
  const rows = entries.flatMap((entry): Piece[][] => [
    [entry.server, paintHow(entry.how, style), when(entry.sinceWallMs), entry.fingerprint ?? "not seen yet"],
    ...entry.former.map((key): Piece[] => [
      "",
      style.dim(`${key.how} until`),
      style.dim(when(key.untilWallMs)),
      style.dim(key.fingerprint ?? ""),
    ]),
  ]);
  // Fingerprints are there to be compared, so they are never cut.
  const columns = ["SERVER", "TRUST", "SINCE", "KEY"].map((title) => ({ title, keepWhole: true }));
  const advice = entries.flatMap(({ server, advice: typed }) =>
    typed === null ? [] : [safe`${server} is not trusted: ${typed}`],
  );
  return joinLines([renderTable({ columns, rows }, style, terminalWidth()), ...advice]);
}

function paintHow(how: TrustHow, style: Style): SafeText {
  const text = safe`${TRUST_WORDS[how]}`;
  if (how === "waiting") return style.yellow(text);
  return how === "revoked" || how === "other-key" || how === "purged" ? style.red(text) : text;
}
