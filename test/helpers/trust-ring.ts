// A fleet whose keys are changed, stolen, forged and refused: what its servers know of each other, for tests of trust.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { createRandom } from "./random.ts";
import { FLEETD, type RunningMonitor, until, WireFleet } from "./wire-fleet.ts";
import type { WireWriter } from "./wire-writer.ts";

/** Chosen for slow machines: nothing here depends on how long it takes. */
const WITHIN_MS = 60_000;
/** A push that was killed may have left its lock on the remote for a minute. */
const LOCK_WITHIN_MS = 100_000;

export type Json = Record<string, unknown>;

/** A server as `trust list` shows it. */
export interface Trusted {
  readonly server: string;
  readonly trust: string;
  readonly public_key: string | null;
  readonly former: readonly { readonly how: string }[];
}

/** A fleet, and what its servers know. */
export class TrustRing {
  readonly fleet = new WireFleet();
  readonly #monitors = new Set<RunningMonitor>();

  /** Runs a command that has to end with 0, and answers its JSON. */
  async run(server: string, ...words: string[]): Promise<Json> {
    const ran = await this.fleet.run(server, ...words, "--json");
    if (ran.exitCode !== 0) throw new Error(`fleetd ${words.join(" ")}: ${ran.exitCode} ${ran.stderr}`);
    return JSON.parse(ran.stdout) as Json;
  }

  /** Starts a monitor that `stopAll` ends, whatever becomes of the test. */
  async monitor(server: string, ...words: string[]): Promise<RunningMonitor> {
    const monitor = await this.fleet.startMonitor(server, ...words);
    this.#monitors.add(monitor);
    return monitor;
  }

  async stopAll(): Promise<void> {
    const monitors = [...this.#monitors];
    this.#monitors.clear();
    await Promise.all(monitors.map((monitor) => monitor.stop()));
  }

  async bodies(server: string): Promise<string[]> {
    const { messages } = await this.run(server, "inbox", "--limit", "1000");
    return (messages as { body: string }[]).map(({ body }) => body).sort();
  }

  async trusted(server: string, of: string): Promise<Trusted | undefined> {
    const { servers } = await this.run(server, "trust", "list");
    return (servers as Trusted[]).find((one) => one.server === of);
  }

  /** Reasons of what a server refused of another one, as status tells them. */
  async problems(server: string, of: string): Promise<string[]> {
    const ran = await this.fleet.run(server, "status", "--json");
    const { problems } = JSON.parse(ran.stdout) as { problems: { text: string }[] };
    return problems.map(({ text }) => text).filter((text) => text.startsWith(`${of}: `));
  }

  keyFiles(server: string): string[] {
    return readdirSync(join(this.fleet.root, server))
      .filter((name) => name.startsWith("key"))
      .sort();
  }

  entries(server: string): Json[] {
    const commits = this.fleet.gitText("rev-list", "--reverse", `refs/fleet/log/${server}`).split("\n");
    return commits.flatMap((commit) =>
      this.fleet
        .gitText("show", `${commit}:entries.jsonl`)
        .split("\n")
        .map((line) => JSON.parse(line) as Json),
    );
  }

  async remove(): Promise<void> {
    await this.stopAll();
    await this.fleet.remove();
  }
}

/** Everything that is wrong with a change of the key; `stranger`: the key of another server of the fleet. */
export const FORGERIES: Readonly<Record<string, (writer: WireWriter, stranger: string) => Uint8Array[]>> = {
  "without a proof": (writer) => [writer.handover({ proof: undefined }).line],
  "with the proof of another key": (writer) => {
    const { proof } = JSON.parse(new TextDecoder().decode(writer.handover().line)) as { proof: string };
    return [writer.handover({ proof }).line];
  },
  "to a key that is somebody else's": (writer, stranger) => [writer.handover({ public_key: stranger }).line],
  "beside another line": (writer) => {
    const { line } = writer.handover();
    return [line, line];
  },
  "for another fleet": (writer) => [writer.handover({ fleet: "019e1a2b-0000-7000-8000-0000000000f1" }).line],
  "that does not follow its log": (writer) => [writer.handover({ prev: `sha256:${"0".repeat(64)}` }).line],
};

/**
 * Changes the key of `server` again and again, killed at random points, and sends a message after each kill. Answers how
 * many kills landed, and what is wrong afterwards with what `reader` has.
 */
export async function killRotations(
  ring: TrustRing,
  { server, reader }: { readonly server: string; readonly reader: string },
  { kills, random }: { readonly kills: number; readonly random: ReturnType<typeof createRandom> },
): Promise<{ readonly landed: number; readonly faults: string[] }> {
  const startedMs = performance.now();
  await ring.run(server, "trust", "rotate", "--yes");
  const tookMs = performance.now() - startedMs;
  const faults: string[] = [];
  let landed = 0;
  for (let round = 0; round < kills; round += 1) {
    const child = Bun.spawn([FLEETD, "trust", "rotate", "--yes"], {
      env: { ...ring.fleet.environment, FLEETD_SERVER: server },
      stdio: ["ignore", "ignore", "ignore"],
    });
    await Bun.sleep(random() * tookMs);
    child.kill("SIGKILL");
    await child.exited;
    if (child.signalCode === "SIGKILL") landed += 1;
    const sent = await ring.fleet.run(server, "send", `kill ${round}`, "--to", "all", "--wait", "queued");
    if (sent.exitCode !== 0 && sent.exitCode !== 75) faults.push(`send ${round}: ${sent.stderr}`);
  }
  const monitor = await ring.monitor(server);
  const hasAll = async (): Promise<boolean> =>
    (await ring.bodies(reader)).filter((body) => body.startsWith("kill ")).length === kills;
  await until(hasAll, "everything arrived", LOCK_WITHIN_MS);
  await until(() => ring.keyFiles(server).length === 2, "the files are put right", WITHIN_MS);
  await monitor.stop();
  faults.push(...(await ring.problems(reader, server)));
  const ids = ring.entries(server).map((entry) => entry["id"]);
  if (new Set(ids).size !== ids.length) faults.push("an entry stands twice in the log");
  return { landed, faults };
}
