// A salvage of state.db that is killed at any of its steps on that file: the next one finishes it, and nothing is lost.
import { expect, test } from "bun:test";
import { cpSync, existsSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { whyNoTrace } from "../helpers/call-faults.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { killHard } from "../helpers/kill.ts";

const TIMEOUT_MS = 180_000;
/** Calls that give, change or take away a name. */
const CALLS = "link,linkat,unlink,unlinkat,rename,renameat,renameat2";
/** More than there are. */
const STEPS_MAX = 40;

const obstacle = whyNoTrace();
if (obstacle !== null) console.log(`skipped: kills of a salvage: ${obstacle}`);

test.skipIf(obstacle !== null)(
  "a salvage that is killed at any step leaves a server that doctor --fix --yes brings back whole",
  async () => {
    const sandbox = new FleetSandbox();
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      await sandbox.send("a", { to: "b", body: "pushed" });
      const { folder, state } = sandbox.filesOf("a");
      // What waits is only in the WAL: whoever takes that away without its database loses it.
      const monitor = await sandbox.monitor("a");
      renameSync(sandbox.remote, `${sandbox.remote}.away`);
      await sandbox.run("a", ["send", "waiting", "--to", "b", "--wait", "queued"]);
      killHard(monitor.pid, "tree");
      await monitor.ended;
      renameSync(`${sandbox.remote}.away`, sandbox.remote);
      expect(statSync(`${state}-wal`).size).toBeGreaterThan(0);
      writeSync(openSync(state, "r+"), new Uint8Array(16), 0, 16, 0);
      rmSync(`${folder}/control.sock`);
      const places = [folder, sandbox.remote].map((place, index) => ({
        place,
        kept: `${sandbox.folder}/kept-${index}`,
      }));
      for (const { place, kept } of places) cpSync(place, kept, { recursive: true });

      let kills = 0;
      for (let step = 1; step <= STEPS_MAX; step += 1) {
        for (const { place, kept } of places) {
          rmSync(place, { recursive: true, force: true });
          cpSync(kept, place, { recursive: true });
        }
        const files = [state, `${state}-wal`, `${state}-shm`].flatMap((path) => ["-P", path]);
        const inject = ["-e", `trace=${CALLS}`, "-e", `inject=${CALLS}:signal=KILL:when=${step}`];
        sandbox.wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", ...files, ...inject];
        const cut = await sandbox.run("a", ["doctor", "--fix", "--yes"]);
        sandbox.wrapper = [];
        expect(existsSync(state)).toBe(true);
        const mended = await sandbox.run("a", ["doctor", "--fix", "--yes"]);
        expect({ step, code: mended.exitCode, said: mended.stderr }).toMatchObject({ code: 1, said: "" });
        const sent = await sandbox.run("a", ["sent", "--json"]);
        expect(sent.stdout).toContain('"pushed"');
        expect(sent.stdout).toContain('"waiting"');
        await sandbox.run("a", ["send", "afterwards", "--to", "b"]);
        const inbox = await sandbox.run("b", ["inbox", "--json"]);
        for (const body of ["pushed", "waiting", "afterwards"]) expect(inbox.stdout).toContain(`"${body}"`);
        if (cut.exitCode !== null) break;
        kills += 1;
      }
      console.log(`\nsalvage of state.db: killed at ${kills} steps, brought back whole each time`);
      expect(kills).toBeGreaterThan(2);
      expect(kills).toBeLessThan(STEPS_MAX);
    } finally {
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);
