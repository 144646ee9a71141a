// What other systems' tools and structures say, understood here: by texts as they print them, and by their own words
// where a tool is here too.
import { afterEach, describe, expect, test } from "bun:test";
import { formatIpv6 } from "../../../src/platform/processes/format-address.ts";
import { joinEqual } from "../../../src/platform/processes/join-listeners.ts";
import { parseSockets, readListening } from "../../../src/platform/processes/linux-sockets.ts";
import { isDeadStat, parseStat } from "../../../src/platform/processes/linux-stat.ts";
import {
  addUnowned,
  LSOF_FIELDS,
  parseLsof,
  parseNetstat,
} from "../../../src/platform/processes/lsof-output.ts";
import { PS_COLUMNS, parseCpuTime, parsePs } from "../../../src/platform/processes/ps-output.ts";
import { runTool } from "../../../src/platform/processes/run-tool.ts";
import { findHolders } from "../../../src/platform/processes/socket-holders.ts";
import {
  PROCESS_ENTRY_BYTES,
  parseProcessEntry,
  parseSocketTable,
  SOCKET_TABLES,
} from "../../../src/platform/processes/windows-tables.ts";
import { Holders } from "../../helpers/listening.ts";

const holders = new Holders();
afterEach(() => holders.close());

const hasPs = Bun.which("ps") !== null;
if (!hasPs) console.log("skipped: the words of ps: it is not there");
const hasLsof = Bun.which("lsof") !== null;
if (!hasLsof) console.log("skipped: the words of lsof: it is not there");
const isLinux = process.platform === "linux";

describe("ps", () => {
  test("parsePs() understands macOS", () => {
    const text =
      "    1     0     1 Ss     1:02.50  14336 Sat Nov  2 15:53:00 2026     /sbin/launchd\n" +
      "  501     1   501 Z      0:00.00      0 Sun Nov 22 05:03:09 2026     (two words)\nrubbish\n";
    expect(parsePs(text)).toEqual([
      {
        pid: 1,
        parent: 0,
        group: 1,
        session: null,
        start: "Sat Nov  2 15:53:00 2026",
        name: "launchd",
        state: "sleeping",
        cpuMs: 62_500,
        residentBytes: 14_336 * 1024,
      },
      expect.objectContaining({ pid: 501, state: "dead", name: "(two words)" }),
    ]);
  });

  test.skipIf(!hasPs)("parsePs() understands the ps that is here, as it describes this process", async () => {
    const rows = parsePs(await runTool(["ps", "-axo", PS_COLUMNS]));
    expect(rows.find(({ pid }) => pid === process.pid)).toMatchObject({ parent: process.ppid });
  });

  test.each([
    ["0:01.23", 1_230],
    ["123:45.67", 7_425_670],
    ["01:02:03", 3_723_000],
    ["2-01:00:00", 176_400_000],
    ["-", null],
    ["", null],
  ] as const)("parseCpuTime() reads %p", (text, ms) => {
    expect(parseCpuTime(text)).toBe(ms);
  });
});

describe("lsof and netstat", () => {
  test.skipIf(!hasLsof)(
    "parseLsof() finds listeners and no client in the words of the lsof that is here",
    async () => {
      const holder = await holders.start({ address: "127.0.0.2" });
      const [four, six] = [
        await holders.start({ address: "0.0.0.0" }),
        await holders.start({ address: "::" }),
      ];
      const udp = await holders.start({ protocol: "udp" });
      const [tcp, udpText] = [
        await runTool(["lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-F", LSOF_FIELDS]),
        await runTool(["lsof", "-nP", "-iUDP", "-F", LSOF_FIELDS]),
      ];
      const found = [...parseLsof(tcp), ...parseLsof(udpText)];
      const byPid = (pid: number) => found.find(({ owners }) => owners[0]?.pid === pid);
      expect(byPid(holder.pid)).toMatchObject({ protocol: "tcp", address: "127.0.0.2", port: holder.port });
      expect(byPid(four.pid)).toMatchObject({ address: "0.0.0.0", port: four.port });
      expect(byPid(six.pid)).toMatchObject({ address: "::", port: six.port });
      expect(byPid(udp.pid)).toMatchObject({ protocol: "udp", port: udp.port });
    },
  );

  test("parseLsof() leaves clients out", () => {
    const text =
      "p10\ncnode\nLann\nf3\ntIPv4\nPTCP\nn127.0.0.1:50000->127.0.0.1:80\nf4\ntIPv6\nPTCP\nn[::1]:80\n";
    expect(parseLsof(text)).toEqual([
      {
        protocol: "tcp",
        address: "::1",
        port: 80,
        user: "ann",
        owners: [{ pid: 10, start: null, name: "node", user: "ann" }],
      },
    ]);
  });

  test("what only netstat has is somebody's who is not told", () => {
    const text =
      "Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)\n" +
      "tcp4       0      0  127.0.0.1.8080         *.*                    LISTEN     \n" +
      "tcp46      0      0  *.22                   *.*                    LISTEN     \n" +
      "tcp4       0      0  127.0.0.1.8080         127.0.0.1.50000        ESTABLISHED\n" +
      "udp6       0      0  *.5353                 *.*                               \n" +
      "udp4       0      0  10.0.0.1.5000          10.0.0.2.53                       \n";
    const sockets = parseNetstat(text);
    expect(sockets.map(({ protocol, address, port }) => `${protocol} ${address} ${port}`)).toEqual([
      "tcp 127.0.0.1 8080",
      "tcp :: 22",
      "udp :: 5353",
    ]);
    const owned = parseLsof("p10\ncnode\nLann\ntIPv4\nPTCP\nn127.0.0.1:8080\n");
    expect(addUnowned(owned, sockets).map(({ port, owners }) => [port, owners?.[0]?.pid ?? null])).toEqual([
      [8080, 10],
      [22, null],
      [5353, null],
    ]);
  });
});

describe("Windows", () => {
  test("parseProcessEntry() reads PROCESSENTRY32W", () => {
    const bytes = Buffer.alloc(PROCESS_ENTRY_BYTES);
    bytes.writeUInt32LE(4242, 8);
    bytes.writeUInt32LE(4, 32);
    bytes.write("svchost.exe", 44, "utf16le");
    expect(parseProcessEntry(bytes)).toEqual({ pid: 4242, parent: 4, name: "svchost.exe" });
  });

  test("parseSocketTable() reads the rows of each table", () => {
    for (const table of SOCKET_TABLES) {
      const bytes = Buffer.alloc(4 + 2 * table.rowBytes);
      bytes.writeUInt32LE(2, 0);
      for (const [index, port] of [80, 8080].entries()) {
        const row = 4 + index * table.rowBytes;
        bytes.set(table.family === 2 ? [127, 0, 0, 2] : [...Array(15).fill(0), 1], row + table.address);
        bytes.writeUInt16BE(port, row + table.port);
        bytes.writeUInt32LE(1000 + index, row + table.pid);
      }
      const address = table.family === 2 ? "127.0.0.2" : "::1";
      expect(parseSocketTable(bytes, table)).toEqual([
        { protocol: table.protocol, address, port: 80, pid: 1000 },
        { protocol: table.protocol, address, port: 8080, pid: 1001 },
      ]);
    }
  });
});

describe("Linux", () => {
  test.each([
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000000000001", "::1"],
    ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
    ["20010db8000100010001000100010001", "2001:db8:1:1:1:1:1:1"],
    ["fe800000000000000000000000000000", "fe80::"],
    ["00000000000000000000ffff7f000002", "::ffff:127.0.0.2"],
    ["00010000000200030004000500060007", "1:0:2:3:4:5:6:7"],
  ])("formatIpv6() writes %s as %s", (hex, text) => {
    expect(formatIpv6([...Buffer.from(hex, "hex")])).toBe(text);
  });

  // The original took `:80` for `:8080`, and clients for listeners.
  test("parseSockets() finds exactly the port, and only what listens", () => {
    const line = (local: string, state: string, inode: number): string =>
      `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 100 0\n`;
    const text =
      "  sl  local_address rem_address   st\n" +
      line("0200007F:0050", "0A", 1) +
      line("0100007F:1F90", "0A", 2) +
      line("0100007F:0050", "01", 3);
    expect(parseSockets(text, "tcp", 80)).toEqual([
      { protocol: "tcp", address: "127.0.0.2", port: 80, userId: 1000, inode: "1" },
    ]);
    expect(parseSockets(text, "tcp", null).map(({ port }) => port)).toEqual([80, 8080]);
  });

  test.skipIf(!isLinux)("the kernel and /proc/net name the same sockets", async () => {
    const two = [await holders.start({ address: "127.0.0.2" }), await holders.start({ address: "::1" })];
    for (const { port } of two) {
      const asked = await readListening(port, "tcp");
      expect(asked).toHaveLength(1);
      expect(await readListening(port, "tcp", () => Promise.resolve(null))).toEqual(asked);
    }
  });

  test.skipIf(!isLinux)("findHolders() finds the same with calls of its own and without", async () => {
    const holder = await holders.start({ heirs: 2 });
    const [socket] = await readListening(holder.port, "tcp");
    const inodes = new Set([socket?.inode ?? ""]);
    const found = await findHolders(inodes);
    expect(found.get(socket?.inode ?? "")).toHaveLength(3);
    expect(await findHolders(inodes, () => Promise.resolve(null))).toEqual(found);
  });

  test.each([
    ["Z", 1, true],
    ["Z", 0, true],
    ["Z", 2, false],
    ["X", 0, true],
    ["S", 1, false],
  ])("isDeadStat() of %s with %d threads is %p", (state, threads, isDead) => {
    expect(isDeadStat({ state, threads })).toBe(isDead);
  });

  test("parseStat() understands names with anything in them, and nothing else", () => {
    const rest = "S 1 7 7 0 -1 4194560 0 0 0 0 12 3 0 0 20 0 1 0 555 1000 42 0";
    expect(parseStat(`9 (a) R 5 (b) ${rest}`)).toMatchObject({
      pid: 9,
      name: "a) R 5 (b",
      parent: 1,
      group: 7,
      cpuMs: 150,
      startTicks: "555",
      residentPages: 42,
    });
    expect(parseStat(`9 (a) ${rest}`)).toMatchObject({ state: "S", threads: 1 });
    expect(parseStat("")).toBeNull();
    expect(parseStat("9 (short) S 1")).toBeNull();
  });
});

test("joinEqual() keeps what has no known owner apart from what has", () => {
  const one = { protocol: "tcp", address: "::", port: 80, user: "u" } as const;
  const owner = { pid: 1, start: "s", name: "n", user: "u" };
  const joined = joinEqual([
    { ...one, owners: [owner] },
    { ...one, owners: null },
    { ...one, owners: [owner, { ...owner, pid: 2 }] },
  ]);
  expect(joined.map(({ owners }) => owners?.map(({ pid }) => pid) ?? null)).toEqual([[1, 2], null]);
});
