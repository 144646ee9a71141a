import { dirname } from "node:path";
import { EXIT_CODES, firstLineOf } from "../../base/errors.ts";
import { type CompactReport, compactNow } from "../../daemon/compact-now.ts";
import { serverFacts } from "../../daemon/server-facts.ts";
import { tidyRepositories, tidyState } from "../../daemon/tidy.ts";
import type { CompactPorts } from "../../fleet/messaging/compact-log.ts";
import { embeddedRemotePath } from "../../platform/paths.ts";
import { commandSignal } from "../command-signal.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";
import { VERSION } from "../version.ts";

/** The arguments of `compact`, as typed. */
export interface CompactArguments {
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Whoever pushes at that moment is done in milliseconds. */
const BUSY_TRIES = 50;
const BUSY_PAUSE_MS = 100;

/** Shortens the own log now, also where it is hardly worth it. Exit code 75 when the remote did not answer. */
export async function compactLog(args: CompactArguments): Promise<number> {
  return await withSession(args, async (session) => {
    await refreshIndex(session, { offline: false });
    const mailbox = session.mailbox();
    const ports = { ...(await mailbox.sendPorts()), index: mailbox.index() };
    const report = await compactPatiently(session, ports, args);
    if (report.status === "done") await tidy(session, ports, report);
    if (args.json) printReport(mailbox.identity.server, report, args.dryRun);
    else for (const line of inWords(report)) printText(line);
    if (report.status === "waiting") return EXIT_CODES.NOT_YET;
    return report.status === "refused" ? EXIT_CODES.FAILED : 0;
  });
}

function compactPatiently(
  session: Session,
  ports: CompactPorts,
  args: CompactArguments,
): Promise<CompactReport> {
  const { paths, settings } = session;
  const signal = commandSignal();
  return compactNow({
    ports,
    flushLock: paths.flushLock,
    facts: () => serverFacts(VERSION, settings, null),
    rules: settings.compaction,
    isAsked: true,
    dryRun: args.dryRun,
    async bring(attempt) {
      for (let count = 0; count < BUSY_TRIES; count += 1) {
        const timeoutMs = Math.max(settings.timeouts.push, REMOTE_TIMEOUT_MS);
        const result = await attempt({ timeoutMs, signal });
        if (result !== null) return result;
        await ports.clock.sleep(BUSY_PAUSE_MS, signal);
      }
      return null;
    },
  });
}

/** What was removed takes room until the stores are packed. A running monitor does the rest of this once a day. */
async function tidy({ paths, settings }: Session, ports: CompactPorts, report: CompactReport): Promise<void> {
  const signal = commandSignal();
  const embedded = embeddedRemotePath(dirname(paths.folder));
  const folders = [paths.store, ...(ports.identity.remoteUrl === embedded ? [embedded] : [])];
  const { flushLock } = paths;
  const troubles = await tidyRepositories({ ports, storeFolder: paths.store, folders, flushLock, signal });
  for (const trouble of troubles ?? []) printNotice(`fleetd: ${firstLineOf(trouble)}`);
  await tidyState(ports, { cutWallMs: report.cutWallMs, settings, signal });
}

function printReport(server: string, report: CompactReport, dryRun: boolean): void {
  const { status, reason, entries, batches, kept, heldBy } = report;
  const counts = { entries, batches, kept };
  printJson("compact", { server, status, ...counts, held_by: heldBy, reason, dry_run: dryRun });
}

function inWords({ status, reason, entries, batches, kept, heldBy }: CompactReport): string[] {
  const what = `${entries} entries in ${batches} batches; ${kept} batches stay`;
  const held = heldBy === "" ? [] : [`No more than that, since ${heldBy}`];
  switch (status) {
    case "done":
      return [`Shortened the log by ${what}`, ...held];
    case "planned":
      return [`Would shorten the log by ${what}`, ...held];
    case "nothing":
      return [`Nothing to remove: ${reason}`];
    case "refused":
      return [`The remote refuses shortened logs: ${firstLineOf(reason)}`];
    case "waiting":
      return [`Not shortened: ${firstLineOf(reason)}`];
  }
}
