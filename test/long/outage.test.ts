// A remote that is gone for a minute with the settings people have, and for an hour with every time divided by a
// hundred, while twenty messages are sent. The test prints what a user would have read meanwhile.
import { describe, expect, test } from "bun:test";
import { ProxiedFleet, SERVERS, type ServerName } from "../helpers/proxied-fleet.ts";
import { until } from "../helpers/wire-fleet.ts";

const TIMEOUT_MS = 600_000;
const MESSAGES = 20;

/** Everything that is a time, divided by a hundred; the deadlines of git by ten, since processes do not start faster. */
const HUNDREDTH = `
interval: 100ms
timeouts: {fetch: 3s, push: 3s, network: 500ms}
retry: {retries: 3, first: 20ms, longest: 80ms}
breaker: {failures: 5, open_for: 3s, successes: 2}
heartbeat: {idle: 1200ms, every: 3s}
poll: {conversation: 10ms, conversation_for: 600ms, idle: 300ms, idle_after: 18s}
health: {interval: 1s, remote_warn: 3s, remote_critical: 18s, queue_warn: 3s}
`;

interface Outage {
  readonly name: string;
  readonly fault: "refuse" | "hang";
  readonly lastsMs: number;
  readonly configuration: string;
}

const OUTAGES: readonly Outage[] = [
  { name: "a minute, refused", fault: "refuse", lastsMs: 60_000, configuration: "{}" },
  { name: "a minute, silent", fault: "hang", lastsMs: 60_000, configuration: "{}" },
  { name: "an hour / 100, refused", fault: "refuse", lastsMs: 36_000, configuration: HUNDREDTH },
  { name: "an hour / 100, silent", fault: "hang", lastsMs: 36_000, configuration: HUNDREDTH },
];

describe("a remote that is gone for", () => {
  test.each(OUTAGES)(
    "$name delivers twenty messages in order, each once, when it is back",
    async (outage) => {
      const fleet = await ProxiedFleet.create("http", outage.configuration);
      try {
        await fleet.startMonitors();
        await fleet.run("code1", "send", "before", "--to", "all", "--wait", "seen");
        const startMs = performance.now();
        const elapsed = (): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
        await fleet.proxy.be(outage.fault);
        const told = new Map<number, string>();
        const sentBodies: string[] = [];
        const codes = new Set<number>();
        const longestMs = { send: 0 };
        let last = "";
        while (performance.now() - startMs < outage.lastsMs) {
          if (sentBodies.length < MESSAGES) {
            const body = `number ${sentBodies.length}`;
            const ran = await fleet.run("code1", "send", "--to", "code2,db3", "--", body);
            codes.add(ran.code);
            longestMs.send = Math.max(longestMs.send, ran.durationMs);
            sentBodies.push(body);
          }
          const page = (await fleet.run("code1", "status")).stdout.split("\n").slice(0, 3).join(" | ");
          const words = page.replaceAll(/\d+(?:\.\d+)? (?:ms|s|min)\b|\b\d+ (?:waiting|message)/g, "…");
          if (words !== last) told.set(performance.now() - startMs, page);
          last = words;
          await Bun.sleep(100);
        }
        for (const [atMs, page] of told) console.log(`${(atMs / 1000).toFixed(1).padStart(6)} s  ${page}`);
        const backMs = performance.now();
        await fleet.proxy.be("pass");
        const bodiesAt = async (server: ServerName): Promise<string[]> =>
          (await fleet.inbox(server)).map((one) => one.body).filter((body) => body !== "before");
        for (const server of SERVERS.filter((one) => one !== "code1")) {
          await until(async () => (await bodiesAt(server)).length >= MESSAGES, `${server} has all`, 400_000);
          expect(await bodiesAt(server)).toEqual(sentBodies);
        }
        const deliveredMs = Math.round(performance.now() - backMs);
        console.log(
          `${outage.name}: sends answered ${[...codes].join(", ")} within ${Math.round(longestMs.send)} ms, ` +
            `delivered ${deliveredMs} ms after it was back, ${elapsed()} in all`,
        );
        expect([...codes].filter((code) => code !== 75 && code !== 0)).toEqual([]);
        expect(await fleet.queued("code1")).toBe(0);
      } finally {
        await fleet.remove();
      }
    },
    TIMEOUT_MS,
  );
});
