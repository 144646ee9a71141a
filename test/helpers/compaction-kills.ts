/** Kills `fleetd compact` at random points while a reader's daemon follows the log, and says what became of it all. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { phaseOfCompact, tipOf } from "./kill-phases.ts";
import type { KillRun } from "./kill-run.ts";
import { eventually } from "./temp-git.ts";

/** Whatever all have read may go. */
export const EAGER_SETTINGS =
  "interval: 200ms\nheartbeat: { idle: 300ms, every: 300ms }\ncompaction: { keep: 0s, entries: 0, batches: 1 }\n";

const WITHIN_MS = 60_000;

interface Listed {
  readonly id: string;
  readonly body?: string;
}

/** Shortens the log of `a` again and again, killed as often as `wanted`; `b` reads all the time. */
export async function killCompactions(run: KillRun, wanted: number): Promise<void> {
  const { sandbox } = run;
  writeFileSync(join(sandbox.folder, "fleetd.yaml"), EAGER_SETTINGS);
  for (const server of ["a", "b"]) await sandbox.init(server);
  const monitor = await sandbox.monitor("b");
  const prepare = async (): Promise<string> => {
    for (let count = 0; count < 2; count += 1) await sandbox.send("a", { to: "b" });
    // Only then there is something that may go.
    const isHandled = await eventually(() => hasHandled(run, "b", "a"), WITHIN_MS);
    if (!isHandled) run.fault("b never said that it handled what a sent");
    return tipOf(sandbox, "a");
  };
  const operation = async (): Promise<void> => {
    const compacted = await sandbox.run("a", ["compact", "--json"]);
    run.expectExit("a compact", compacted, [0]);
  };
  await run.repeat(wanted, { prepare, operation }, async (kill) => {
    const from = await prepare();
    const command = sandbox.start("a", ["compact", "--json"]);
    await kill(command.pid);
    const result = await command.ended;
    run.expectExit("a compact that was killed", result, [0, 75, null]);
    if (result.exitCode === null) run.met(phaseOfCompact(sandbox, "a", from));
    await run.sendAfter("a", "b");
    return result.exitCode === null ? 1 : 0;
  });
  run.ageLocks("a");
  const last = await sandbox.run("a", ["compact", "--json"]);
  run.expectExit("the last compact", last, [0]);
  if (rootTypeOf(run, "a") !== "compacted") run.fault("the log was never shortened");
  const expected = sandbox.sends.filter((send) => send.told !== "nothing").length;
  const isRead = async (): Promise<boolean> => (await listOf(run, "b", "inbox")).length >= expected;
  for (let tries = 0; tries < 100 && !(await isRead()); tries += 1) await Bun.sleep(200);
  await monitor.stop();
}

/** Whether the card of `reader` says that all of the log of `writer` is handled. */
function hasHandled({ sandbox: { temp, remote } }: KillRun, reader: string, writer: string): boolean {
  const card = JSON.parse(temp.git(remote, "show", `refs/fleet/state/${reader}:card.json`)) as {
    cursors: Record<string, { seq: number }>;
  };
  const lines = temp.git(remote, "show", `refs/fleet/log/${writer}:entries.jsonl`).trim().split("\n");
  return card.cursors[writer]?.seq === (JSON.parse(lines.at(-1) ?? "") as { seq: number }).seq;
}

/** What is wrong with what was read; empty when nothing is. */
export async function judgeCompactions(run: KillRun): Promise<string[]> {
  const { sandbox } = run;
  const inbox = await listOf(run, "b", "inbox");
  const sent = await listOf(run, "a", "sent");
  const told = sandbox.sends.filter((send) => send.told !== "nothing").map((send) => send.body);
  const problems = compare("inbox of b", inbox, told);
  const ids = JSON.stringify(inbox.map((one) => one.id));
  if (JSON.stringify(sent.map((one) => one.id)) !== ids) problems.push("sent of a is not what b has");
  for (const [server, command] of [
    ["a", "sent"],
    ["b", "inbox"],
  ] as const) {
    const before = await listOf(run, server, command);
    await sandbox.run(server, ["rebuild-index"]);
    const after = await listOf(run, server, command);
    if (JSON.stringify(before) !== JSON.stringify(after))
      problems.push(`${command} of ${server} differs when made anew`);
  }
  await sandbox.init("late");
  for (const server of ["b", "late"]) problems.push(...(await complaintsOf(run, server)));
  for (const folder of [sandbox.remote, ...sandbox.servers.map((server) => sandbox.filesOf(server).store)]) {
    const ran = Bun.spawnSync(["git", "-C", folder, "fsck", "--no-dangling", "--no-progress"], {
      env: sandbox.temp.environment,
    });
    if (ran.exitCode !== 0) problems.push(`${folder}: ${ran.stderr.toString()}`);
  }
  return problems;
}

/** Every body that was told to be safe, once, in the order in which it was sent. */
function compare(what: string, listed: readonly Listed[], told: readonly string[]): string[] {
  const bodies = listed.map((one) => one.body ?? "");
  const lost = told.filter((body) => !bodies.includes(body));
  const twice = bodies.filter((body, place) => bodies.indexOf(body) !== place);
  const order = bodies.map((body) => Number(body.split(" ").at(-1)));
  const isSorted = order.every((number, place) => place === 0 || number > (order[place - 1] ?? 0));
  return [
    ...lost.map((body) => `${what} lacks "${body}"`),
    ...twice.map((body) => `${what} has "${body}" twice`),
    ...(isSorted ? [] : [`${what} is out of order: ${order.join(" ")}`]),
  ];
}

async function listOf(run: KillRun, server: string, command: "inbox" | "sent"): Promise<Listed[]> {
  const ran = await run.sandbox.run(server, [
    command,
    "--json",
    "--limit",
    "100000",
    ...(command === "sent" ? ["--offline"] : []),
  ]);
  const { messages } = JSON.parse(ran.stdout) as { messages: Listed[] };
  return messages.map(({ id, body }) => ({ id, ...(body === undefined ? {} : { body }) })).toReversed();
}

async function complaintsOf(run: KillRun, server: string): Promise<string[]> {
  const ran = await run.sandbox.run(server, ["doctor", "--json"]);
  const { findings = [] } = JSON.parse(ran.stdout) as {
    findings?: { id: string; verdict: string; evidence: string }[];
  };
  return findings
    .filter((one) => one.verdict !== "ok" && /alarm|quarantine|objects|own-ref|index|state/.test(one.id))
    .map((one) => `${server}: ${one.id}: ${one.evidence}`);
}

/** Waits until the log of `writer` on the remote begins with a line that says that it was shortened. */
export const isShortened = (run: KillRun, writer: string): Promise<boolean> =>
  eventually(() => rootTypeOf(run, writer) === "compacted", WITHIN_MS);

function rootTypeOf({ sandbox }: KillRun, writer: string): string {
  const { temp, remote } = sandbox;
  const [root = ""] = temp.git(remote, "rev-list", "--max-parents=0", `refs/fleet/log/${writer}`).split("\n");
  return (
    JSON.parse(temp.git(remote, "show", `${root}:entries.jsonl`).split("\n")[0] ?? "{}") as { type: string }
  ).type;
}
