/** What the tests on a server's own refs share: a fleet that lives a hundred times as fast, and strangers with git. */
import { chmodSync, cpSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FleetSandbox, type Monitor } from "./fleet-sandbox.ts";
import { eventually, pauseAfter } from "./temp-git.ts";

/** Everything that is waited for happens within this time, on however slow a machine. */
export const WITHIN_MS = 60_000;

const SETTINGS = `
interval: 100ms
poll: { conversation: 100ms, idle: 100ms }
heartbeat: { idle: 300ms, every: 1s }
retry: { retries: 1, first: 50ms, longest: 200ms }
`;

/** A sandbox, and what its tests do to the remote behind its back. */
export class OwnRefsScene {
  readonly sandbox: FleetSandbox;

  constructor(more = "") {
    this.sandbox = new FleetSandbox(SETTINGS + more);
  }

  /** Runs plain git on the remote. */
  git(...args: readonly string[]): string {
    return this.sandbox.temp.git(this.sandbox.remote, ...args);
  }

  /** Refs of the fleet on the remote, name to id. */
  refs(): Map<string, string> {
    const listed = this.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/fleet/");
    const lines = listed.split("\n").filter((line) => line !== "");
    return new Map(lines.map((line) => line.split(" ") as [string, string]));
  }

  logOf = (server: string): string | undefined => this.refs().get(`refs/fleet/log/${server}`);
  cardOf = (server: string): string | undefined => this.refs().get(`refs/fleet/state/${server}`);

  /** A commit of somebody who is in no fleet. */
  strangersCommit(message: string, parent?: string): string {
    const blob = this.git("hash-object", "-w", join(this.sandbox.folder, "fleetd.yaml"));
    const tree = Bun.spawnSync(["git", "-C", this.sandbox.remote, "mktree"], {
      env: this.sandbox.temp.environment,
      stdin: Buffer.from(`100644 blob ${blob}\tentries.jsonl\n`),
    })
      .stdout.toString()
      .trim();
    return this.git("commit-tree", tree, "-m", message, ...(parent === undefined ? [] : ["-p", parent]));
  }

  /** A clone of somebody who knows nothing of the fleet, with one commit of its own. */
  strangersClone(): string {
    const { temp, remote } = this.sandbox;
    const folder = temp.path("stranger");
    temp.git(this.sandbox.folder, "clone", "-q", remote, folder);
    temp.git(folder, "commit", "-q", "--allow-empty", "-m", "work");
    return folder;
  }

  /** Moves the remote away, or back again. */
  rename(from: string, to: string): void {
    renameSync(from, to);
  }

  /** The files of one machine, whatever the id of its server. */
  machine = (name: string): string => join(this.sandbox.folder, "servers", name);

  /** A machine as a backup of another one, taken now. */
  copyMachine(from: string, to: string): void {
    rmSync(this.machine(to), { recursive: true, force: true });
    cpSync(this.machine(from), this.machine(to), { recursive: true });
  }

  /** Everything that a command with `--json` answers, whatever its exit code. */
  async json(server: string, ...words: readonly string[]): Promise<Record<string, unknown>> {
    const ran = await this.sandbox.run(server, [...words, "--json"]);
    return JSON.parse(ran.stdout) as Record<string, unknown>;
  }

  /** The check of the own refs in `fleetd health`. */
  async ownRefs(server: string): Promise<{ verdict: string; evidence: string; figure: string }> {
    const { checks } = (await this.json(server, "health")) as {
      checks: { id: string; verdict: string; evidence: string; figure: string }[];
    };
    const check = checks.find(({ id }) => id === "own-refs");
    if (check === undefined) throw new Error("health does not judge the own refs");
    return check;
  }

  /** Bodies in an inbox, oldest first. */
  async inbox(server: string): Promise<string[]> {
    const { messages } = (await this.json(server, "inbox", "--limit", "1000")) as {
      messages: { body: string }[];
    };
    return messages.map(({ body }) => body).toReversed();
  }

  /** Lines that handlers wrote. */
  lines(file: string): string[] {
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  }
}

/** A server `x` that has joined and pushed nothing, since the remote refused it, and then another one that did. */
export async function twoNewcomers({ sandbox }: OwnRefsScene): Promise<void> {
  await sandbox.init("a");
  const hook = join(sandbox.remote, "hooks/update");
  await Bun.write(hook, `#!/bin/sh\ncase "$1" in */x) exit 1;; esac\n`);
  chmodSync(hook, 0o755);
  await sandbox.run("late", ["init", "--remote", sandbox.remote, "--server", "x"]);
  await Bun.write(hook, "#!/bin/sh\nexit 0\n");
  await sandbox.init("x");
}

/** Waits until something holds. @throws with `what` when it never does */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  for (;;) {
    const askedMs = performance.now();
    if (await holds()) return;
    if (performance.now() > deadlineMs) throw new Error(`waited in vain: ${what}`);
    await pauseAfter(askedMs, 30);
  }
}

/** Waits until a daemon told of an event of this kind. */
export async function told(monitor: Monitor, kind: string): Promise<void> {
  const isTold = await eventually(
    () => monitor.events().some((event) => event["kind"] === kind || event["event"] === kind),
    WITHIN_MS,
  );
  if (!isTold)
    throw new Error(`${monitor.server} did not tell "${kind}": ${JSON.stringify(monitor.events())}`);
}
