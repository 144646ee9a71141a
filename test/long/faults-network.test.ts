// A real network between servers and their remote that loses packets, delays them, and is parted without a word.
import { expect, test } from "bun:test";
import { seconds } from "../helpers/figures.ts";
import { describe as describeAll, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { eventually } from "../helpers/temp-git.ts";
import { openLossyNetwork } from "../lab/net/lossy-network.ts";

const TIMEOUT_MS = 600_000;
const WITHIN_MS = 180_000;
const PORT = 9418;
const MESSAGES = Number(process.env["FLEETD_NETWORK_MESSAGES"] ?? 10);
const SETTINGS = `
interval: 500ms
timeouts: {fetch: 20s, push: 20s, network: 5s}
retry: {retries: 1, first: 100ms, longest: 500ms}
breaker: {failures: 5, open_for: 2s, successes: 1}
`;

const isLong = process.env["FLEETD_LONG"] === "1";
if (!isLong) console.log("skipped: a network that loses packets, because FLEETD_LONG is not 1");

test.skipIf(!isLong)(
  "loss, delay, partitions and connections that only one side knows of cost no message",
  async () => {
    const sandbox = new FleetSandbox(SETTINGS);
    const network = await openLossyNetwork(sandbox.folder);
    if (network === null) return await sandbox.close();
    const base = sandbox.folder;
    const options = [
      "--export-all",
      "--enable=receive-pack",
      `--base-path=${base}`,
      `--listen=${network.address}`,
    ];
    const server = Bun.spawn(
      [...network.on.server, "git", "daemon", "--reuseaddr", `--port=${PORT}`, ...options],
      {
        env: sandbox.temp.environment,
        stdio: ["ignore", "ignore", "ignore"],
        detached: true,
      },
    );
    let isServing = true;
    const stopServing = async (): Promise<void> => {
      if (isServing) process.kill(-server.pid, "SIGTERM");
      isServing = false;
      await server.exited;
    };
    try {
      sandbox.address = `git://${network.address}:${PORT}${sandbox.remote.slice(base.length)}`;
      sandbox.wrapper = network.on.client;
      const answers = (): boolean =>
        Bun.spawnSync([...network.on.client, "git", "ls-remote", sandbox.address], {
          env: sandbox.temp.environment,
        }).exitCode === 0;
      expect(await eventually(answers, WITHIN_MS)).toBe(true);
      for (const name of ["a", "b"]) await sandbox.init(name);
      const monitors = [await sandbox.monitor("a"), await sandbox.monitor("b")];
      const areThere = (): boolean => {
        const bodies = new Set(readLogs(sandbox).map((entry) => entry.body));
        return sandbox.sends.every((one) => bodies.has(one.body));
      };
      const phase = async (
        name: string,
        more: string[],
        work: () => Promise<unknown> = async () => undefined,
      ) => {
        const startedMs = performance.now();
        const codes: (number | null)[] = [];
        for (let count = 0; count < MESSAGES; count += 1) {
          codes.push((await sandbox.send("a", { to: "b", more })).exitCode);
        }
        await work();
        expect(codes.filter((code) => code !== 0 && code !== 75)).toEqual([]);
        expect(await eventually(areThere, WITHIN_MS)).toBe(true);
        const zeros = codes.filter((code) => code === 0).length;
        console.log(
          `${name}: ${zeros} of ${MESSAGES} told 0, the rest 75, all there after ${seconds(performance.now() - startedMs)}`,
        );
      };
      await phase("plain", []);
      await network.spoil(300, 0);
      await phase("300 ms each way", []);
      await network.spoil(20, 20);
      await phase("20 % of the packets lost", []);
      await network.spoil(0, 100);
      await phase("parted without a word", ["--timeout", "1"], () => network.spoil(0, 0));
      // Parted in the middle of what goes on, again and again: each side has connections that the other has given up.
      for (let count = 0; count < MESSAGES; count += 1) {
        const sent = sandbox.startSend("a", { to: "b", more: ["--timeout", "2"] });
        await Bun.sleep(20 * count);
        await network.spoil(0, 100);
        expect([0, 75]).toContain((await sent.ended).exitCode ?? -1);
        await network.spoil(0, 0);
      }
      await phase("after connections that were half-open", []);
      const last = await sandbox.send("a", { to: "b", more: ["--timeout", "60"] });
      expect(last.exitCode).toBe(0);
      for (const monitor of monitors) await monitor.stop();
      for (const name of ["a", "b"]) await sandbox.run(name, ["inbox"]);
      await stopServing();
      // The wire would count as a process that was left.
      await network.close();
      expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    } finally {
      await stopServing();
      await network.close();
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);
