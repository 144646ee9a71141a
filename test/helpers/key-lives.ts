// Servers whose keys are changed while everything else befalls their logs: what tests of that do and ask again and again.
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { EAGER_SETTINGS } from "./compaction-kills.ts";
import { type Answer, TempFleet } from "./temp-fleet.ts";
import { eventually } from "./temp-git.ts";

const WITHIN_MS = 60_000;

type Json = Record<string, unknown>;

/** A fleet with two configurations: whatever all have read may go, and whatever there is. */
export class KeyLives {
  readonly fleet = new TempFleet();
  readonly eager = join(this.fleet.git.folder, "eager.yaml");
  readonly impatient = join(this.fleet.git.folder, "impatient.yaml");
  readonly remote = join(this.fleet.root, "remote.git");

  constructor() {
    writeFileSync(this.eager, EAGER_SETTINGS);
    writeFileSync(this.impatient, EAGER_SETTINGS.replace("keep:", "live: 1ms, keep:"));
  }

  /** Every line of a log as it is on the remote. */
  logOf(server: string): Json[] {
    const { git } = this.fleet;
    return git
      .git(this.remote, "rev-list", "--first-parent", "--reverse", `refs/fleet/log/${server}`)
      .split("\n")
      .flatMap((commit) => git.git(this.remote, "show", `${commit}:entries.jsonl`).split("\n"))
      .map((line) => JSON.parse(line) as Json);
  }

  /** The ids that the messages in a log answer. */
  answersOf(server: string): unknown[] {
    return this.logOf(server).flatMap((one) => (one["type"] === "message" ? [one["in_reply_to"]] : []));
  }

  send(server: string, to: string, body: string, ...more: string[]): Promise<Answer> {
    return this.fleet.json(["send", body, body, "--to", to, ...more], { as: server });
  }

  /** Changes the key of a server; the fingerprint of the new one. */
  async rotate(server: string): Promise<string> {
    const rotated = await this.fleet.json(["trust", "rotate", "--yes"], { as: server });
    expect(rotated["pushed"]).toBe(true);
    return String(rotated["fingerprint"]);
  }

  compact(server: string, config: string): Promise<Answer> {
    return this.fleet.json(["compact", "--config", config], { as: server });
  }

  /** A server as another one trusts it; itself first. */
  async trusted(server: string): Promise<Json[]> {
    return (await this.fleet.json(["trust", "list"], { as: server }))["servers"] as Json[];
  }

  /** What was said, newest last; bodies are subjects as well, since `sent` shows those alone. */
  async said(server: string, command: "inbox" | "sent" = "inbox"): Promise<string[]> {
    const { messages } = await this.fleet.json([command, "--limit", "1000"], { as: server });
    return (messages as { subject: string }[]).map(({ subject }) => subject).toReversed();
  }

  /** As `said`, and that an index made anew says the same. */
  async saidTwice(server: string, command: "inbox" | "sent" = "inbox"): Promise<string[]> {
    const before = await this.said(server, command);
    await this.fleet.text(["rebuild-index"], { as: server });
    expect(await this.said(server, command)).toEqual(before);
    return before;
  }

  /** What doctor finds wrong, by its id. */
  async findings(server: string): Promise<Record<string, string>> {
    const ran = await this.fleet.run(["doctor", "--json"], { as: server });
    const answer = JSON.parse(ran.stdout) as {
      findings: { id: string; verdict: string; evidence: string }[];
    };
    return Object.fromEntries(
      answer.findings.filter((one) => one.verdict !== "ok").map((one) => [one.id, one.evidence]),
    );
  }

  /** The ids of what speaks of tampering. */
  async alarms(server: string): Promise<string[]> {
    return Object.keys(await this.findings(server)).filter((id) => /alarm|quarantine|own-ref/.test(id));
  }

  /** Lets the monitor of a server run until its card says that it handled the whole log of `writer`. */
  async handle(server: string, writer: string): Promise<void> {
    const monitor = await this.fleet.monitor(server, [], { env: { FLEETD_CONFIG: this.eager } });
    const { log } = this.#card(writer) as { log: Json };
    const hasSaid = (): boolean => {
      const { cursors } = this.#card(server) as { cursors: Record<string, Json> };
      return cursors[writer]?.["seq"] === log["seq"] && cursors[writer]?.["epoch"] === log["epoch"];
    };
    const isDone = await eventually(hasSaid, WITHIN_MS);
    await monitor.stop();
    expect(isDone).toBe(true);
  }

  #card(server: string): unknown {
    return JSON.parse(this.fleet.git.git(this.remote, "show", `refs/fleet/state/${server}:card.json`));
  }
}
