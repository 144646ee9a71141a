// A fleet of three over a real network protocol whose remote fails in every way a network can fail, one after the
// other: refused, silent, one byte a second, cut off in the middle. Times of the configuration are divided by ten.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { canServe, ProxiedFleet, type ServerName, type Transport } from "./proxied-fleet.ts";
import { eventually } from "./temp-git.ts";
import { until } from "./wire-fleet.ts";

/**
 * Far below the defaults; a handshake of ssh on a machine that is four times too busy has to fit into the deadlines, and
 * the breaker stays open for longer than a git may take.
 */
const CONFIGURATION = `
interval: 1s
timeouts: {fetch: 6s, push: 6s, network: 2s}
retry: {retries: 1, first: 200ms, longest: 800ms}
breaker: {failures: 2, open_for: 10s, successes: 2}
heartbeat: {idle: 12s, every: 30s}
`;
const TIMEOUT_MS = 400_000;
/** What did not come by then does not come; chosen, not measured. */
const WITHIN_MS = 120_000;
type Fault = "refuse" | "hang" | "slow" | "cut";
/** Every fault over one of the two: what a fault does to a fleet does not depend on the protocol. */
const FAULTS: Readonly<Record<Transport, readonly Fault[]>> = {
  ssh: ["hang", "cut"],
  http: ["refuse", "slow"],
};

/** A file each: they wait most of the time, and two that wait do so together. */
export function defineOutage(transport: Transport): void {
  describe(`a remote over ${transport}`, () => outageOf(transport));
}

function outageOf(transport: Transport): void {
  const served = canServe(transport);
  let fleet: ProxiedFleet;
  const sent: string[] = [];
  beforeAll(async () => {
    if (!served) return;
    fleet = await ProxiedFleet.create(transport, CONFIGURATION);
    await fleet.startMonitors();
  }, TIMEOUT_MS);
  afterAll(async () => {
    if (served) await fleet.remove();
  }, TIMEOUT_MS);

  const failWith = (fault: Fault): Promise<void> =>
    fault === "cut" ? fleet.proxy.cutAfter(700) : fleet.proxy.be(fault);

  /** Sends to one, to the other and to all, and checks the promise of each. */
  async function sendFive(fault: string): Promise<void> {
    for (const [number, to] of ["code2", "db3", "all", "code2", "all"].entries()) {
      const body = `${fault} ${number} to ${to}`;
      const ran = await fleet.run("code1", "send", "--to", to, "--timeout", "2", "--", body);
      expect(ran).toMatchObject({ code: 75 });
      expect(ran.stdout).toMatch(/queued; it is safe here/);
      sent.push(body);
    }
  }

  const bodiesAt = async (server: ServerName): Promise<string[]> =>
    (await fleet.inbox(server)).map((one) => one.body);
  const meantFor = (server: ServerName): string[] =>
    sent.filter((body) => body.endsWith(server) || body.endsWith("all"));

  test.skipIf(!served).each([...FAULTS[transport]])(
    "that fails by %s delays messages, in order, and neither loses nor doubles one",
    async (fault) => {
      await failWith(fault);
      await until(
        async () => (await problemsOf(fleet, "code1")).some(({ text }) => text.includes("remote")),
        "the status names the remote",
        WITHIN_MS,
      );
      await sendFive(fault);
      expect(await fleet.queued("code1")).toBe(5);
      const backMs = performance.now();
      await fleet.proxy.be("pass");
      for (const server of ["code2", "db3"] as const) {
        await until(
          async () => (await bodiesAt(server)).length >= meantFor(server).length,
          `${server} has everything`,
          WITHIN_MS,
        );
        expect(await bodiesAt(server)).toEqual(meantFor(server));
      }
      console.log(
        `${transport}, ${fault}: delivered ${Math.round(performance.now() - backMs)} ms after it was back`,
      );
      expect(await fleet.queued("code1")).toBe(0);
      await until(
        async () => (await problemsOf(fleet, "code1")).length === 0,
        "the status is clean again",
        WITHIN_MS,
      );
    },
    TIMEOUT_MS,
  );

  test.skipIf(!served)(
    "that says nothing has no git left at it once the breaker is open, and none is started until it answers",
    async () => {
      await fleet.proxy.be("hang");
      const isOpen = async (): Promise<boolean> => {
        const { remote } = (await fleet.json("code1", "status")) as { remote: { breaker: string | null } };
        return remote.breaker === "open";
      };
      await until(isOpen, "the breaker opens", WITHIN_MS);
      expect(await eventually(() => fleet.gits().length === 0, WITHIN_MS)).toBe(true);
      await fleet.proxy.be("pass");
      await until(
        async () => (await problemsOf(fleet, "code1")).length === 0,
        "the status is clean again",
        WITHIN_MS,
      );
    },
    TIMEOUT_MS,
  );
}

async function problemsOf(fleet: ProxiedFleet, server: ServerName): Promise<readonly { text: string }[]> {
  return (await fleet.json(server, "status"))["problems"] as { text: string }[];
}
