/**
 * One fleet whose server "a" has its files damaged, one at a time, and what its operator then sees: of every command how
 * it ended, of the repair what it says, and of the fleet afterwards whether it kept its promises.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DamageKind, damage, filesBelow } from "./damaged-files.ts";
import { describe, judge, type SendRecord } from "./fleet-checker.ts";
import { gather, readLogs } from "./fleet-evidence.ts";
import { type CommandResult, FleetSandbox } from "./fleet-sandbox.ts";
import { createRandom } from "./random.ts";
import { eventually } from "./temp-git.ts";

const COUNT = join(import.meta.dir, "fixtures/handlers/count.sh");
const WAIT_MS = 30_000;

/** Before it is damaged: stopped as it should be, or its daemon killed, so that its last writes are in WAL files. */
export type Before = "stopped" | "killed";

export interface DamageCase {
  readonly before: Before;
  readonly path: string;
  readonly kind: DamageKind;
}

/** What came of one case. `faults`: promises that were broken. */
export interface DamageResult {
  readonly case: DamageCase;
  readonly faults: readonly string[];
  /** Exit codes by command, in the order in which they ran. */
  readonly codes: readonly string[];
  readonly told: string;
  /** How it became whole: by itself, by the doctor, or by putting the file back. */
  readonly mended: "nothing to mend" | "itself" | "doctor" | "operator";
  readonly lostWaiting: number;
}

/** A fleet of three, made once and put back for each case. */
export class DamageRun {
  readonly sandbox: FleetSandbox;
  readonly isBrief: boolean;
  readonly #counts: string;
  readonly #sends = new Map<Before, readonly SendRecord[]>();
  readonly #seed: number;

  /** `isBrief`: fewer servers, and fewer commands in each case. */
  constructor(seed: number, isBrief = false) {
    this.#seed = seed;
    this.isBrief = isBrief;
    this.sandbox = new FleetSandbox("");
    this.#counts = join(this.sandbox.folder, "counts");
    writeFileSync(
      join(this.sandbox.folder, "fleetd.yaml"),
      [
        "interval: 300ms",
        "heartbeat: { idle: 60s, every: 60s }",
        "retry: { retries: 1, first: 50ms, longest: 100ms }",
        "rules:",
        `  - { name: work, match: { body: [work] }, run: ["${COUNT}", "${this.#counts}"] }`,
        "",
      ].join("\n"),
    );
  }

  /** Makes the fleet and its past: messages both ways, answers, receipts, handler runs, and entries that wait. */
  async prepare(): Promise<void> {
    const { sandbox } = this;
    const servers = this.isBrief ? ["a", "b"] : ["a", "b", "c"];
    const third = servers.at(-1) ?? "b";
    for (const server of servers) await sandbox.init(server);
    const monitors = await Promise.all(servers.map((server) => sandbox.monitor(server)));
    await sandbox.send("a", { to: "b" });
    await sandbox.send("b", { to: "a", more: ["--kind", "request"] });
    await sandbox.startSend(third, { to: "a", body: "please work" }).ended;
    await sandbox.send(third, { to: "all" });
    const isQuiet = (): boolean => this.#answers("a") >= 2;
    if (!(await eventually(isQuiet, WAIT_MS))) throw new Error("the fleet did not come to rest");
    await sandbox.run("a", ["inbox"]);
    for (const monitor of monitors.slice(1)) await monitor.stop();
    // What waits: built and never arrived, and queued only.
    const away = `${sandbox.remote}.away`;
    renameSync(sandbox.remote, away);
    await sandbox.send("a", { to: "b", more: ["--timeout", "1s"] });
    await this.#queue();
    await monitors[0]?.stop();
    renameSync(away, sandbox.remote);
    this.#keep("stopped");
    await this.#killed();
  }

  /** As above, and a daemon that died while the remote was away: its last writes are in WAL files. */
  async #killed(): Promise<void> {
    const { sandbox } = this;
    const away = `${sandbox.remote}.away`;
    const monitor = await sandbox.monitor("a");
    const isPushed = (): boolean => readLogs(sandbox).filter((one) => one.writer === "a").length > 8;
    await eventually(isPushed, 3_000);
    renameSync(sandbox.remote, away);
    await this.#queue();
    process.kill(monitor.pid, "SIGKILL");
    await monitor.ended;
    renameSync(away, sandbox.remote);
    this.#keep("killed");
  }

  /** A send that does not wait for the remote, and is told no more than that. */
  async #queue(): Promise<void> {
    const { sandbox } = this;
    await sandbox.send("a", { to: "b", more: ["--wait", "queued"] });
    const last = sandbox.sends.pop();
    if (last !== undefined) sandbox.sends.push({ ...last, told: "queued" });
  }

  #keep(before: Before): void {
    const { sandbox } = this;
    this.#sends.set(before, [...sandbox.sends]);
    const kept = this.#kept(before);
    mkdirSync(kept);
    for (const name of this.#parts())
      cpSync(join(sandbox.folder, name), join(kept, name), { recursive: true, filter: isNoSocket });
  }

  #kept = (before: Before): string => join(this.sandbox.folder, `kept-${before}`);
  #parts = (): string[] => ["servers", this.sandbox.remote.slice(this.sandbox.folder.length + 1), "counts"];

  /** Puts the fleet back as it was. */
  restore(before: Before): void {
    const { sandbox } = this;
    for (const name of this.#parts()) {
      rmSync(join(sandbox.folder, name), { recursive: true, force: true });
      const kept = join(this.#kept(before), name);
      if (existsSync(kept)) cpSync(kept, join(sandbox.folder, name), { recursive: true });
    }
    sandbox.sends.length = 0;
    sandbox.sends.push(...(this.#sends.get(before) ?? []));
  }

  /** Where the files of "a" are kept as they were. */
  keptFolder = (before: Before): string => join(this.#kept(before), "servers/a/a");

  /** The files of "a" that there are. */
  files(before: Before): string[] {
    return filesBelow(this.keptFolder(before));
  }

  /** Damages one file and plays the operator. */
  async play(one: DamageCase): Promise<DamageResult> {
    const { sandbox } = this;
    this.restore(one.before);
    const random = createRandom(this.#seed ^ hashOf(`${one.before} ${one.path} ${one.kind}`));
    const { folder } = sandbox.filesOf("a");
    damage(join(folder, one.path), one.kind, random);
    const play = new Play(this, one, random);
    return await play.run();
  }

  /** How many automatic answers of `server` are on the remote. */
  #answers(server: string): number {
    return readLogs(this.sandbox).filter((entry) => entry.writer === server && entry.auto).length;
  }

  /** How often the handler ran for each message. */
  runs(): Map<string, number> {
    const text = existsSync(this.#counts) ? readFileSync(this.#counts, "utf8") : "";
    const counts = new Map<string, number>();
    for (const line of text.split("\n").filter((one) => one !== "")) {
      const [id = ""] = line.split(" ");
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }
}

const isNoSocket = (path: string): boolean => !path.endsWith("control.sock");

const hashOf = (text: string): number => Number(Bun.hash(text) & 0x7fffffffn);

/** Exit codes that an operator may meet: judged, I/O, not yet, not authorised, configuration, unavailable. */
const ALLOWED: Readonly<Record<string, readonly number[]>> = {
  status: [0],
  doctor: [0, 1, 2, 3],
  fix: [0, 1, 2, 3],
  inbox: [0, 69, 74, 78],
  send: [0, 74, 75, 77, 78],
  monitor: [0, 69, 74, 77, 78],
};

class Play {
  readonly #run: DamageRun;
  readonly #case: DamageCase;
  readonly #random: () => number;
  readonly #isBrief: boolean;
  readonly #faults: string[] = [];
  readonly #codes: string[] = [];
  readonly #told: string[] = [];
  #fixText = "";

  constructor(run: DamageRun, one: DamageCase, random: () => number) {
    this.#run = run;
    this.#isBrief = run.isBrief;
    this.#case = one;
    this.#random = random;
  }

  async run(): Promise<DamageResult> {
    const { sandbox } = this.#run;
    await sandbox.send("b", { to: "a", more: ["--kind", "request"] });
    const steps = [
      () => this.#command("inbox", ["inbox"]),
      () => this.#command("status", ["status"]),
      () => this.#send("send"),
      () => this.#monitor(),
      () => this.#command("doctor", ["doctor"]),
    ];
    const first = Math.floor(this.#random() * steps.length);
    // A brief one begins like any other, and leaves out some of what comes after.
    const count = this.#isBrief ? 2 : steps.length;
    for (let at = 0; at < count; at += 1) await steps[(first + at) % steps.length]?.();
    if (!this.#codes.some((one) => one.startsWith("doctor="))) await this.#command("doctor", ["doctor"]);
    // The doctor reads every object; the rest meets damage only where it needs what is damaged.
    const failed = this.#codes.some((one) => one === "doctor=2" || !/^(?:status|doctor)=|=0$/.test(one));
    let mended: DamageResult["mended"] = this.#told.length === 0 ? "nothing to mend" : "itself";
    if (failed) {
      mended = "doctor";
      const fixed = await this.#command("fix", ["doctor", "--fix", "--yes"]);
      this.#fixText = fixed.stdout + fixed.stderr;
      const again = await sandbox.run("a", ["inbox"]);
      if (again.exitCode !== 0 || this.#case.path === "key") {
        mended = "operator";
        this.#putBack();
      }
    }
    await this.#afterwards();
    return {
      case: this.#case,
      faults: this.#faults,
      codes: this.#codes,
      told: this.#told[0] ?? "",
      mended,
      lostWaiting: this.#lostWaiting,
    };
  }

  #lostWaiting = 0;

  /** What cannot be made anew, and a backup has: the key alone. */
  #putBack(): void {
    const { path, before } = this.#case;
    if (path !== "key")
      this.#faults.push(
        `nothing mended it: ${this.#codes.join(" ")} ${this.#told.join(" | ")} ${this.#fixText}`,
      );
    const { sandbox } = this.#run;
    const target = join(sandbox.filesOf("a").folder, path);
    rmSync(target, { recursive: true, force: true });
    cpSync(join(sandbox.folder, `kept-${before}`, "servers/a/a", path), target);
  }

  async #command(name: string, words: readonly string[]): Promise<CommandResult> {
    const ended = await this.#run.sandbox.run("a", words);
    this.#note(name, ended.exitCode, ended.stderr);
    if (/This is a bug|\n\s+at /.test(ended.stdout + ended.stderr))
      this.#faults.push(`${name} shows a bug: ${ended.stderr}`);
    return ended;
  }

  async #send(name: string): Promise<void> {
    const ended = await this.#run.sandbox.send("a", { to: "b" });
    this.#note(name, ended.exitCode, ended.stderr);
  }

  #note(name: string, code: number | null, stderr: string): void {
    this.#codes.push(`${name}=${code}`);
    const allowed = ALLOWED[name] ?? [0];
    if (code === null || !allowed.includes(code))
      this.#faults.push(`${name} ended with ${code}: ${stderr.slice(0, 400)}`);
    if (code !== 0 && stderr !== "") this.#told.push(stderr.split("\n")[0] ?? "");
    else if (stderr !== "") this.#told.push(stderr.split("\n")[0] ?? "");
    if (code === 74 && !stderr.includes("/"))
      this.#faults.push(`${name} names no file: ${stderr.slice(0, 300)}`);
  }

  /** A monitor for a moment: until it said that it is ready and did something, or ended. */
  async #monitor(): Promise<void> {
    const { sandbox } = this.#run;
    const monitor = sandbox.startMonitor("a");
    const settled = (): boolean =>
      monitor.hasEnded() ||
      monitor
        .events()
        .some((event) => ["pushed", "failed", "trouble", "notice"].includes(String(event["kind"])));
    if (!(await eventually(settled, WAIT_MS))) this.#faults.push("the monitor says nothing");
    // A moment for what it is at; nothing depends on how long it is.
    await Bun.sleep(150);
    const wasRunning = !monitor.hasEnded();
    await monitor.stop();
    const code = monitor.exitCode();
    this.#note("monitor", wasRunning ? 0 : code, monitor.complaints());
    for (const event of monitor.events()) {
      if (["failed", "crashed", "notice"].includes(String(event["kind"])))
        this.#told.push(JSON.stringify(event));
    }
  }

  /** Everything works again, and nothing was lost or done twice. */
  async #afterwards(): Promise<void> {
    const { sandbox } = this.#run;
    const monitor = await sandbox.monitor("a").catch((thrown: unknown) => {
      this.#faults.push(`no monitor afterwards: ${String(thrown).slice(0, 500)}`);
      return null;
    });
    if (monitor === null) return;
    // Where nobody can say what was decided, the operator has to look before anything is answered.
    if (/handlers\s+are\s+paused/.test(this.#fixText)) await sandbox.run("a", ["resume", "auto"]);
    const asked = await sandbox.send("b", { to: "a", more: ["--kind", "request"] });
    const question = JSON.parse(asked.stdout) as { id: string };
    const answered = (): boolean =>
      readLogs(sandbox).some((entry) => entry.writer === "a" && entry.inReplyTo === question.id);
    if (!(await eventually(answered, WAIT_MS)))
      this.#faults.push(
        `what is asked afterwards is not answered: ${JSON.stringify(monitor.events().slice(-5))}`,
      );
    await monitor.stop();
    const sent = await sandbox.send("a", { to: "b" });
    if (sent.exitCode !== 0) this.#faults.push(`send afterwards ended with ${sent.exitCode}: ${sent.stderr}`);
    if (!this.#isBrief) await this.#compareIndex();
    await this.#judge();
  }

  async #compareIndex(): Promise<void> {
    const { sandbox } = this.#run;
    const list = async (): Promise<string> => {
      const ended = await sandbox.run("a", ["inbox", "--json", "--limit", "1000"]);
      const { messages } = JSON.parse(ended.stdout) as { messages: { id: string; read_at: unknown }[] };
      return messages
        .map(({ id }) => id)
        .sort()
        .join(" ");
    };
    const before = await list();
    const rebuilt = await sandbox.run("a", ["rebuild-index"]);
    if (rebuilt.exitCode !== 0)
      this.#faults.push(`rebuild-index ended with ${rebuilt.exitCode}: ${rebuilt.stderr}`);
    if ((await list()) !== before) this.#faults.push("the rebuilt index is another one");
  }

  async #judge(): Promise<void> {
    const { sandbox } = this.#run;
    const violations = judge(sandbox.sends, await gather(sandbox));
    const lost = violations.filter(({ rule, detail }) => rule === "lost" && detail.includes('"queued"'));
    this.#lostWaiting = lost.length;
    const named =
      /(\d+) (?:waiting )?(?:entry|entries|message)/.test(this.#fixText) ||
      this.#told.some((one) => /damaged/.test(one));
    const rest = violations.filter((one) => !lost.includes(one));
    if (lost.length > 0 && !named) this.#faults.push(`${lost.length} that waited were lost without a word`);
    if (rest.length > 0) this.#faults.push(describe(rest));
    for (const [id, count] of this.#run.runs()) {
      if (count > 1) this.#faults.push(`the handler ran ${count} times for ${id}`);
    }
  }
}
