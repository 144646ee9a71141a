/**
 * Cuts the way to the remote after N bytes, for many N over a whole push and a whole fetch, in either direction, and
 * compares what fleetd said with what the remote had.
 *
 * The size of an undisturbed operation is measured first. N is drawn in equal parts of it, so that a seed decides where
 * exactly, and every part is met. After each cut the way is open again, and the next command has to put it right alone.
 */
import { readFileSync } from "node:fs";
import type { Direction, FaultyProxy } from "./faulty-proxy.ts";
import { readLogs } from "./fleet-evidence.ts";
import type { CommandResult, FleetSandbox, Monitor } from "./fleet-sandbox.ts";
import { createRandom } from "./random.ts";
import { eventually } from "./temp-git.ts";

/** A daemon that did not bring it by then never will; chosen, far above the slowest seen. */
const ARRIVES_WITHIN_MS = 60_000;

/** One cut and what came of it. */
export interface CutRow {
  readonly how: Direction | "swallow";
  readonly afterBytes: number;
  /** What the command said, in words and exit code. */
  readonly said: string;
  /** What the remote, or the reader, had then. */
  readonly was: string;
}

/** What a sweep works on. */
export interface Sweep {
  readonly sandbox: FleetSandbox;
  readonly proxy: FaultyProxy;
  readonly seed: number;
  readonly rows: CutRow[];
  /** What should not have been. */
  readonly faults: string[];
}

/** `count` whole numbers from 0 to a little over `total`, one of each equal part. */
export function spread(count: number, total: number, random: () => number): number[] {
  const width = (total * 1.1) / count;
  return Array.from({ length: count }, (_, part) => Math.floor((part + random()) * width));
}

/** Whether the text is on the remote now. */
const isThere = (sandbox: FleetSandbox, body: string): boolean =>
  readLogs(sandbox).some((entry) => entry.body === body);

/** The tip of a log; the remote is a folder here, so that no git has to be asked. */
const tipOf = ({ remote }: FleetSandbox, server: string): string =>
  readFileSync(`${remote}/refs/fleet/log/${server}`, "utf8");

async function cut(proxy: FaultyProxy, how: CutRow["how"], afterBytes: number): Promise<void> {
  if (how === "swallow") await proxy.swallowAfter(afterBytes);
  else await proxy.dieAfter(how, afterBytes);
}

/** 0 only when the remote has it, 75 and "queued" otherwise. */
function judgeSend(sweep: Sweep, result: CommandResult, row: CutRow): void {
  const says = `${row.how} ${row.afterBytes}: send ended with ${result.exitCode} while the remote had it: ${row.was}`;
  if (result.exitCode === 0 && row.was !== "there") sweep.faults.push(says);
  if (result.exitCode !== 0 && result.exitCode !== 75) sweep.faults.push(`${says}; ${result.stderr.trim()}`);
}

/** What the sandbox sends while nothing is cut, and how large that is. */
async function measure(
  sweep: Sweep,
  operation: () => Promise<CommandResult>,
): Promise<Record<Direction, number>> {
  await sweep.proxy.be("pass");
  await operation();
  await sweep.proxy.be("pass");
  const result = await operation();
  if (result.exitCode !== 0) sweep.faults.push(`an undisturbed one ended with ${result.exitCode}`);
  return { ...sweep.proxy.carried };
}

/** Cuts `fleetd send` without a daemon: `count` times while it speaks and as often while the remote answers. */
export async function sweepPushes(sweep: Sweep, count: number): Promise<void> {
  const { sandbox, proxy } = sweep;
  const send = () => sandbox.send("a", { to: "b" });
  const size = await measure(sweep, send);
  const random = createRandom(sweep.seed);
  for (const how of ["up", "down"] as const) {
    for (const afterBytes of spread(count, size[how], random)) await cutOne(sweep, { how, afterBytes });
    const after = await sandbox.send("a", { to: "b" });
    if (after.exitCode !== 0) sweep.faults.push(`the send after all ended with ${after.exitCode}`);
  }
  await proxy.be("pass");
}

/** The reply is swallowed at `count` points: the push may have been accepted, and nobody says so. */
export async function swallowReplies(sweep: Sweep, count: number): Promise<void> {
  const size = await measure(sweep, () => sweep.sandbox.send("a", { to: "b" }));
  const random = createRandom(sweep.seed);
  for (const afterBytes of spread(count, size.down, random)) {
    await cutOne(sweep, { how: "swallow", afterBytes }, ["--timeout", "1"]);
  }
}

async function cutOne(
  sweep: Sweep,
  { how, afterBytes }: Pick<CutRow, "how" | "afterBytes">,
  more: string[] = [],
): Promise<void> {
  const { sandbox, proxy } = sweep;
  await cut(proxy, how, afterBytes);
  const before = tipOf(sandbox, "a");
  const sent = sandbox.startSend("a", { to: "b", more });
  const result = await sent.ended;
  const was = tipOf(sandbox, "a") === before ? "not there" : "there";
  const row = { how, afterBytes, said: `${result.exitCode}`, was };
  sweep.rows.push(row);
  judgeSend(sweep, result, row);
  await proxy.be("pass");
  // Whatever was cut off is put right by the next command, which says so: an unfinished push may hold the lock meanwhile.
  const after = await sandbox.send("a", { to: "b" });
  if (after.exitCode !== 0) {
    sweep.faults.push(
      `${how} ${afterBytes}: the send after it ended with ${after.exitCode}: ${after.stderr.trim()}`,
    );
  }
}

/** The same sends through a daemon, which has to bring each of them to the remote by itself. */
export async function sweepDaemon(sweep: Sweep, monitor: Monitor, count: number): Promise<void> {
  const { sandbox, proxy } = sweep;
  const size = await measure(sweep, () => sandbox.send("a", { to: "b" }));
  const random = createRandom(sweep.seed);
  for (const how of ["up", "down"] as const) {
    for (const afterBytes of spread(count, size[how], random)) {
      await cut(proxy, how, afterBytes);
      const sent = sandbox.startSend("a", { to: "b", more: ["--timeout", "2"] });
      const result = await sent.ended;
      const was = isThere(sandbox, sent.body) ? "there" : "not there";
      const row = { how, afterBytes, said: `${result.exitCode}`, was };
      sweep.rows.push(row);
      judgeSend(sweep, result, row);
      await proxy.be("pass");
      const arrived = await eventually(() => isThere(sandbox, sent.body), ARRIVES_WITHIN_MS);
      if (!arrived) sweep.faults.push(`${how} ${afterBytes}: the daemon did not bring "${sent.body}"`);
    }
  }
  const last = await sandbox.send("a", { to: "b", more: ["--timeout", "60"] });
  if (last.exitCode !== 0) sweep.faults.push(`the send after all ended with ${last.exitCode}`);
  if (monitor.hasEnded()) sweep.faults.push("the daemon has ended");
}

/** Cuts `fleetd inbox` of `b` while `c`, whose way is another one, writes to it. */
export async function sweepFetches(sweep: Sweep, count: number): Promise<void> {
  const { sandbox, proxy } = sweep;
  const look = async (): Promise<CommandResult> => {
    await sandbox.send("c", { to: "b" });
    return await sandbox.run("b", ["inbox", "--json", "--limit", "100000"]);
  };
  const size = await measure(sweep, look);
  const random = createRandom(sweep.seed);
  for (const how of ["up", "down"] as const) {
    for (const afterBytes of spread(count, size[how], random)) {
      await cut(proxy, how, afterBytes);
      const result = await look();
      const sent = sandbox.sends.filter((one) => one.server === "c").length;
      const shown = countShown(result);
      sweep.rows.push({
        how,
        afterBytes,
        said: `${result.exitCode}`,
        was: shown === sent ? "all" : "not the last",
      });
      if (result.exitCode !== 0)
        sweep.faults.push(`${how} ${afterBytes}: inbox ended with ${result.exitCode}`);
      await proxy.be("pass");
      const after = countShown(await sandbox.run("b", ["inbox", "--json", "--limit", "100000"]));
      if (after !== sent) sweep.faults.push(`${how} ${afterBytes}: inbox shows ${after} of ${sent} after it`);
    }
  }
}

const countShown = ({ stdout, exitCode }: CommandResult): number =>
  exitCode === 0
    ? (JSON.parse(stdout) as { messages: { from: string }[] }).messages.filter((one) => one.from === "c")
        .length
    : -1;

/** The rows as a table. */
export function printRows(title: string, rows: readonly CutRow[]): void {
  const lines = rows.map(
    ({ how, afterBytes, said, was }) =>
      `  ${how.padEnd(7)} ${String(afterBytes).padStart(6)} bytes   said ${said.padEnd(3)} ${was}`,
  );
  console.log([`\n${title}`, ...lines].join("\n"));
}
