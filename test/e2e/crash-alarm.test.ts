// A service in a crash loop, and the message about it to those whom `supervisor.notify` names.
import { afterAll, expect, test } from "bun:test";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { eventually, untilHolds } from "../helpers/temp-git.ts";

const PATIENCE_MS = 120_000;
const SUBJECT = "Service loops of code1 is in a crash loop";
const sandbox = new FleetSandbox(
  JSON.stringify({
    interval: "1s",
    services: { loops: { command: ["sh", "-c", "exit 3"] } },
    supervisor: {
      notify: ["db2"],
      backoff_first: "20ms",
      backoff_longest: "20ms",
      crash_failures: 4,
      crash_slow: "100ms",
    },
  }),
);
afterAll(() => sandbox.close(), PATIENCE_MS);

async function inbox(): Promise<{ readonly subject: string; readonly body: string }[]> {
  const { stdout } = await sandbox.run("db2", ["inbox", "--limit", "100", "--json"]);
  return JSON.parse(stdout).messages;
}

const isEnd = (report: unknown): boolean =>
  typeof report === "object" && report !== null && "kind" in report && report.kind === "ended";

test(
  "a crash loop is told once to those who are to know, however often the service fails after that",
  async () => {
    await sandbox.init("code1");
    await sandbox.init("db2");
    const monitor = await sandbox.monitor("code1");
    const ends = (): number =>
      monitor.events().filter(({ kind, report }) => kind === "service" && isEnd(report)).length;
    await untilHolds(async () => (await inbox()).some(({ subject }) => subject === SUBJECT), PATIENCE_MS);
    const before = ends();
    expect(await eventually(() => ends() >= before + 10, PATIENCE_MS)).toBe(true);
    // It arrives after whatever else was to be sent until now.
    await sandbox.run("code1", ["send", "after", "--to", "db2"]);
    await untilHolds(async () => (await inbox()).some(({ body }) => body === "after"), PATIENCE_MS);
    const alarms = (await inbox()).filter(({ subject }) => subject === SUBJECT);
    expect(alarms).toMatchObject([{ body: expect.stringContaining("exit code 3") }]);
  },
  2 * PATIENCE_MS,
);
