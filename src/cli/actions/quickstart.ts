/**
 * The main job on a fresh machine: a remote, two servers with their daemons, one message, its answer. Everything is
 * real and runs through the same code as in earnest, in a folder of its own.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { type InitReport, initServer } from "../../daemon/init-server.ts";
import { deliveryOf } from "../../fleet/messaging/delivery.ts";
import { findReply, shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { outboxItem } from "../../fleet/messaging/outbox.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { DEFAULT_SETTINGS } from "../../fleet/settings/defaults.ts";
import { createControlClient } from "../../http/client/control-client.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { exists, removeTree } from "../../platform/files.ts";
import { type Background, ownCommand, startInBackground } from "../../platform/own-process.ts";
import { embeddedRemotePath, serverPaths } from "../../platform/paths.ts";
import { commandSignal } from "../command-signal.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe, toSafeText } from "../output/safe-text.ts";
import { openStyle } from "../output/terminal.ts";
import { type Session, sessionOf } from "../session.ts";
import { submit } from "../submit.ts";
import { VERSION } from "../version.ts";
import { waitUntil } from "../wait-until.ts";

/** The arguments of `quickstart`, as typed. */
export interface QuickstartArguments {
  readonly keep: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
}

const STEP_TIMEOUT_MS = 30_000;
const SENDER = "code1";
const RECEIVER = "code2";

interface Step {
  readonly step: string;
  readonly detail: string;
  readonly ms: number;
}

/** What the steps hand on: the folder, the daemons that run, and a way to tell. */
interface Run {
  readonly root: string;
  readonly daemons: Map<string, Background>;
  readonly step: <T>(name: string, body: () => Promise<T>, tell: (value: T) => string) => Promise<T>;
}

/** Shows the main job at work, each step with its time. Leaves nothing behind unless asked to. */
export async function quickstart(args: QuickstartArguments): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "fleetd-quickstart-"));
  const steps: Step[] = [];
  const style = openStyle(args);
  const run: Run = {
    root,
    daemons: new Map(),
    async step(name, body, tell) {
      commandSignal().throwIfAborted();
      const startMs = systemClock.monotonicMs();
      const value = await body();
      const ms = systemClock.monotonicMs() - startMs;
      const detail = tell(value);
      steps.push({ step: name, detail, ms: Math.round(ms) });
      const took = style.dim(`${Math.round(ms)} ms`.padStart(8));
      if (!args.json) printText(safe`${style.green("✓")} ${took}  ${style.bold(name.padEnd(9))} ${detail}`);
      return value;
    },
  };
  let kept = false;
  try {
    const reply = await showMainJob(run);
    const totalMs = steps.reduce((total, one) => total + one.ms, 0);
    if (args.json)
      printJson("quickstart", { steps, total_ms: totalMs, reply, home: args.keep ? root : null });
    else
      printText(
        safe`\n${toSafeText(reply, { keepNewlines: true })}\n\nSent, verified and answered in ${formatDuration(totalMs)}.`,
      );
    kept = args.keep;
    if (kept && !args.json) printHowToGoOn(run);
  } finally {
    if (kept) for (const daemon of run.daemons.values()) daemon.release();
    else await cleanUp(run);
  }
}

async function showMainJob(run: Run): Promise<string> {
  const founded = await run.step(
    "remote",
    () => make(run, SENDER),
    () => `a git repository in ${embeddedRemotePath(run.root)}`,
  );
  await run.step(
    "servers",
    () => make(run, RECEIVER),
    (joined) => `${named(founded)} and ${named(joined)}`,
  );
  await run.step(
    "daemons",
    () => startDaemons(run),
    (pids) => `a monitor each, pid ${pids.join(" and ")}`,
  );
  const session = sessionOf(serverPaths(run.root, SENDER), DEFAULT_SETTINGS);
  try {
    const id = await run.step(
      "send",
      () => sendOne(session),
      (sent) => `${SENDER} → ${RECEIVER}: message ${shortId(sent)}, confirmed by the remote`,
    );
    await run.step(
      "seen",
      () => awaitSeen(session, id),
      () => `${RECEIVER} verified the signature and took it in`,
    );
    const reply = await run.step(
      "reply",
      () => awaitReply(session, id),
      () => `${RECEIVER} answered by rule, once`,
    );
    await run.step(
      "health",
      () => judge(run),
      (text) => text,
    );
    return reply;
  } finally {
    await session.close();
  }
}

function make(run: Run, server: string): Promise<InitReport> {
  const machine = { root: run.root, version: VERSION, settings: DEFAULT_SETTINGS };
  const request = { ...machine, server, signal: commandSignal() };
  // The first one makes the embedded remote, the second joins what is there.
  return initServer({ ...request, remote: server === SENDER ? null : embeddedRemotePath(run.root) });
}

function named({ identity }: InitReport): string {
  const key = fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography);
  return `${identity.server} (key ${key.slice(0, 15)}…)`;
}

async function startDaemons(run: Run): Promise<number[]> {
  for (const server of [SENDER, RECEIVER]) {
    const args = ["monitor", "--server", server, "--auto-reply"];
    const log = join(run.root, `${server}.log`);
    run.daemons.set(server, startInBackground(args, { environment: { FLEETD_HOME: run.root }, log }));
  }
  await Promise.all([...run.daemons].map(([server, daemon]) => awaitDaemon(run, server, daemon)));
  return [...run.daemons.values()].map((daemon) => daemon.pid);
}

async function awaitDaemon(run: Run, server: string, daemon: Background): Promise<void> {
  const { socket } = serverPaths(run.root, server);
  const deadlineMs = systemClock.monotonicMs() + STEP_TIMEOUT_MS;
  for (;;) {
    if (exists(socket) && (await answers(socket))) return;
    const code = daemon.exitCode();
    if (code !== null || systemClock.monotonicMs() > deadlineMs) {
      const state = code === null ? "it does not answer" : `it ended with ${code}`;
      throw new FleetError(
        "FAILED",
        `Cannot start the monitor of "${server}": ${state}; see ${run.root}/${server}.log`,
      );
    }
    await systemClock.sleep(5, commandSignal());
  }
}

async function answers(socket: string): Promise<boolean> {
  try {
    // The first look at the remote is part of being ready.
    return (await createControlClient(socket).status()).lastFetchWallMs !== null;
  } catch (thrown) {
    if (thrown instanceof FleetError && thrown.code === "UNAVAILABLE") return false;
    throw thrown;
  }
}

async function sendOne(session: Session): Promise<string> {
  const request = { to: [RECEIVER], body: "Status report please", subject: "Hello" };
  const { id } = await submit(session, request, { push: true, timeoutMs: STEP_TIMEOUT_MS });
  const { state } = session.mailbox();
  await requireWithin("be confirmed by the remote", session, () =>
    outboxItem(state, id)?.state === "pushed" ? true : null,
  );
  return id;
}

async function awaitSeen(session: Session, id: string): Promise<void> {
  const mailbox = session.mailbox();
  await requireWithin("be seen", session, () => {
    const [only] = deliveryOf(mailbox.state, mailbox.index(), { server: SENDER, id }).recipients;
    return only === undefined || only.state === "pushed" || only.state === "queued" ? null : true;
  });
}

async function awaitReply(session: Session, id: string): Promise<string> {
  const index = session.mailbox().index();
  const found = await requireWithin("be answered", session, () => findReply(index, id, SENDER));
  return found.message.body;
}

async function requireWithin<T>(what: string, session: Session, check: () => T | null): Promise<T> {
  const found = await waitUntil(session, STEP_TIMEOUT_MS, check);
  if (found !== null) return found;
  throw new FleetError("FAILED", `The message did not ${what} within ${formatDuration(STEP_TIMEOUT_MS)}`);
}

async function judge(run: Run): Promise<string> {
  const states = await Promise.all(
    [SENDER, RECEIVER].map((server) => createControlClient(serverPaths(run.root, server).socket).status()),
  );
  const troubled = states.find((one) => one.trouble !== null);
  if (troubled !== undefined)
    throw new FleetError("FAILED", `${troubled.server} is in trouble: ${troubled.trouble}`);
  return "both monitors reach the remote, nothing waits";
}

function printHowToGoOn(run: Run): void {
  const command = ownCommand().at(-1) ?? "fleetd";
  const pids = [...run.daemons.values()].map((daemon) => daemon.pid).join(" ");
  printText("\nThe fleet is running. Go on with:");
  printText(`  export FLEETD_HOME=${run.root}`);
  printText(`  ${command} status --server ${SENDER}`);
  printText(`  ${command} send "How are you?" --to ${RECEIVER} --server ${SENDER} --wait replied`);
  printText(`  ${command} inbox --server ${SENDER}`);
  printText("Stop it and remove everything with:");
  printText(`  kill ${pids}; rm -r ${run.root}`);
}

async function cleanUp(run: Run): Promise<void> {
  await Promise.all([...run.daemons.values()].map((daemon) => daemon.stop()));
  removeTree(run.root);
}
