// What holds for every table of processes, whatever the system: asked with real processes and real sockets.
import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { Listener, ProcessTable } from "../../../src/base/ports/process-table.ts";
import { Holders } from "../../helpers/listening.ts";
import { untilHolds } from "../../helpers/temp-git.ts";

export function processTableContract(name: string, open: () => Promise<ProcessTable>): void {
  const holders = new Holders();
  afterEach(() => holders.close());
  const pidsOf = (listeners: readonly Listener[]): number[] =>
    listeners.flatMap(({ owners }) => owners?.map(({ pid }) => pid) ?? []).toSorted((a, b) => a - b);

  describe(`${name}: processes`, () => {
    test("list() has this process, its parent and its start, and pick() says the same", async () => {
      const table = await open();
      const rows = await table.list();
      const own = rows.find(({ pid }) => pid === process.pid);
      expect(own).toMatchObject({ parent: process.ppid, state: expect.stringMatching(/running|sleeping/) });
      expect(own?.start).toBeString();
      expect(own?.residentBytes).toBeGreaterThan(1_000_000);
      const [picked, none] = await table.pick([process.pid, 2 ** 30]);
      expect(picked).toMatchObject({ pid: process.pid, start: own?.start ?? "", name: own?.name ?? "" });
      expect(none).toBeUndefined();
    });

    test("cpuMs grows with what a process computes", async () => {
      const table = await open();
      const busy = holders.spawn([process.execPath, "-e", "for (;;);"]);
      const cpuMs = async (): Promise<number> => (await table.pick([busy.pid]))[0]?.cpuMs ?? 0;
      await untilHolds(async () => (await cpuMs()) > 200, 60_000);
      const before = await cpuMs();
      await untilHolds(async () => (await cpuMs()) > before, 60_000);
    });

    test("details() tells whose it is, and null for what is not there", async () => {
      const table = await open();
      expect(await table.details(process.pid)).toMatchObject({ userId: process.getuid?.() ?? null });
      expect(await table.details(2 ** 30)).toBeNull();
    });
  });

  describe(`${name}: listeners`, () => {
    // The original missed 127.0.0.2 and ::1.
    test.each([
      ["tcp", "127.0.0.1"],
      ["tcp", "127.0.0.2"],
      ["tcp", "0.0.0.0"],
      ["tcp", "::1"],
      ["tcp", "::"],
      ["udp", "127.0.0.1"],
      ["udp", "127.0.0.2"],
      ["udp", "0.0.0.0"],
      ["udp", "::1"],
    ] as const)("finds %s on %s", async (protocol, address) => {
      const table = await open();
      const holder = await holders.start({ protocol, address });
      const [found, ...more] = await table.listeners(holder.port);
      expect(more).toEqual([]);
      expect(found).toMatchObject({ protocol, address, port: holder.port, owners: [{ pid: holder.pid }] });
      const [row] = await table.pick([holder.pid]);
      expect(found?.owners?.[0]).toMatchObject({ name: row?.name ?? "", start: row?.start ?? "" });
      expect(await table.isListened(holder.port, null)).toBe(true);
      expect(await table.isListened(holder.port, protocol)).toBe(true);
      expect(await table.isListened(holder.port, protocol === "tcp" ? "udp" : "tcp")).toBe(false);
      expect(pidsOf(await table.listeners(null))).toContain(holder.pid);
    });

    // The original took `:80` for `:8080`.
    test("asks for exactly this port", async () => {
      const table = await open();
      const holder = await holders.start();
      const digits = String(holder.port);
      const others = [digits.slice(0, -1), digits.slice(0, 2), digits.slice(1), `${digits}0`].map(Number);
      for (const port of others.filter((one) => one > 0 && one < 65_536)) {
        expect(pidsOf(await table.listeners(port))).not.toContain(holder.pid);
      }
    });

    // The original took clients for listeners.
    test("finds no client of a port, nor the port of a client", async () => {
      const table = await open();
      const server = await holders.start();
      const client = connect(server.port, "127.0.0.1");
      try {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        client.once("connect", resolve).once("error", reject);
        await promise;
        expect(pidsOf(await table.listeners(server.port))).toEqual([server.pid]);
        expect(await table.listeners(client.localPort ?? 0)).toEqual([]);
        expect(await table.isListened(client.localPort ?? 0, null)).toBe(false);
      } finally {
        client.destroy();
      }
    });

    test("finds IPv4, IPv6 and UDP of one port apart", async () => {
      const table = await open();
      const first = await holders.start({ address: "127.0.0.1" });
      const { port } = first;
      const others = [
        await holders.start({ address: "::1", port }),
        await holders.start({ protocol: "udp", address: "127.0.0.1", port }),
      ];
      const found = await table.listeners(port);
      expect(found.map(({ protocol, address }) => `${protocol} ${address}`).toSorted()).toEqual([
        "tcp 127.0.0.1",
        "tcp ::1",
        "udp 127.0.0.1",
      ]);
      expect(pidsOf(found)).toEqual([first, ...others].map(({ pid }) => pid).toSorted((a, b) => a - b));
    });

    test("finds nobody where nobody is, also right after somebody was", async () => {
      const table = await open();
      const holder = await holders.start();
      await holders.close();
      expect(await table.listeners(holder.port)).toEqual([]);
      expect(await table.isListened(holder.port, null)).toBe(false);
    });
  });

  describe(`${name}: signals`, () => {
    test("signal() ends the process that is meant, and answers gone afterwards", async () => {
      const table = await open();
      const holder = await holders.start();
      const [row] = await table.pick([holder.pid]);
      const identity = { pid: holder.pid, start: row?.start ?? "" };
      expect(await table.signal(identity, "SIGTERM")).toBe("sent");
      await holder.exited;
      expect(await table.signal(identity, "SIGKILL")).toBe("gone");
    });

    test("signal() leaves alone what has the id and another start", async () => {
      const table = await open();
      const holder = await holders.start();
      expect(await table.signal({ pid: holder.pid, start: "another" }, "SIGKILL")).toBe("gone");
      expect(holder.hasEnded()).toBe(false);
      expect(pidsOf(await table.listeners(holder.port))).toEqual([holder.pid]);
    });
  });
}
