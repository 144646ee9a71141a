// Disk and memory of this machine, and the files of cgroups as kernels write them, in a folder that stands for "/".
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readDiskSpace } from "../../../src/platform/disk-space.ts";
import { parseMeminfo, parseVmStat, readMemory } from "../../../src/platform/memory.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-machine-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 1024 ** 2;
const MEMINFO = `MemTotal:        4096000 kB\nMemFree:          100000 kB\nMemAvailable:    2048000 kB\nCached: 1 kB\n`;
let count = 0;

/** A root folder with these files. */
function root(files: Record<string, string>): string {
  count += 1;
  const made = join(folder, `root-${count}`);
  for (const [path, content] of Object.entries({ "proc/meminfo": MEMINFO, ...files })) {
    mkdirSync(dirname(join(made, path)), { recursive: true });
    writeFileSync(join(made, path), content);
  }
  return made;
}

const machine = { availableBytes: 2048000 * 1024, totalBytes: 4096000 * 1024, limitedBy: "machine" } as const;

describe("readDiskSpace()", () => {
  test("says how much is free where a folder is", () => {
    const space = readDiskSpace(folder);
    if (!space.ok) throw new Error(space.error);
    expect(space.value.totalBytes).toBeGreaterThan(0);
    expect(space.value.freeBytes).toBeLessThanOrEqual(space.value.totalBytes);
  });

  test("fails where there is nothing", () => {
    expect(readDiskSpace(join(folder, "none"))).toMatchObject({ ok: false });
  });
});

describe("readMemory()", () => {
  test("answers for this machine", async () => {
    const memory = await readMemory();
    if (!memory.ok) throw new Error(memory.error);
    expect(memory.value.availableBytes).toBeGreaterThan(0);
    expect(memory.value.availableBytes).toBeLessThanOrEqual(memory.value.totalBytes);
  });

  test.each<[string, Record<string, string>, object]>([
    ["no cgroup", {}, machine],
    [
      "a v2 limit of a container, cache that can be given back counted as available",
      {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": `${256 * MIB}\n`,
        "sys/fs/cgroup/memory.current": `${200 * MIB}\n`,
        "sys/fs/cgroup/memory.stat": `anon 1\ninactive_file ${50 * MIB}\n`,
      },
      { availableBytes: 106 * MIB, totalBytes: 256 * MIB, limitedBy: "cgroup" },
    ],
    [
      "v2 without a limit",
      {
        "proc/self/cgroup": "0::/user.slice\n",
        "sys/fs/cgroup/user.slice/memory.max": "max\n",
        "sys/fs/cgroup/user.slice/memory.current": "100\n",
      },
      machine,
    ],
    [
      "the tighter limit of a v2 parent",
      {
        "proc/self/cgroup": "0::/system.slice/fleetd.service\n",
        "sys/fs/cgroup/system.slice/memory.max": `${100 * MIB}\n`,
        "sys/fs/cgroup/system.slice/memory.current": `${90 * MIB}\n`,
        "sys/fs/cgroup/system.slice/fleetd.service/memory.max": `${300 * MIB}\n`,
        "sys/fs/cgroup/system.slice/fleetd.service/memory.current": `${10 * MIB}\n`,
      },
      { availableBytes: 10 * MIB, totalBytes: 100 * MIB, limitedBy: "cgroup" },
    ],
    [
      "a v1 limit, with the path of the host",
      {
        "proc/self/cgroup": "12:cpu,cpuacct:/\n5:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": `${128 * MIB}\n`,
        "sys/fs/cgroup/memory/memory.usage_in_bytes": `${64 * MIB}\n`,
        "sys/fs/cgroup/memory/memory.stat": `total_inactive_file ${4 * MIB}\n`,
      },
      { availableBytes: 68 * MIB, totalBytes: 128 * MIB, limitedBy: "cgroup" },
    ],
    [
      "v1 without a limit",
      {
        "proc/self/cgroup": "5:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
      },
      machine,
    ],
    [
      "a limit that leaves more than the machine has",
      {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": `${3000 * MIB}\n`,
        "sys/fs/cgroup/memory.current": "1\n",
      },
      machine,
    ],
  ])("with %s", async (_name, files, expected) => {
    expect(await readMemory(root(files))).toEqual({ ok: true, value: expected as never });
  });

  test("fails where the machine says nothing", async () => {
    expect(await readMemory(root({ "proc/meminfo": "nonsense" }))).toMatchObject({ ok: false });
  });
});

test("parseMeminfo() estimates where an old kernel does not say what is available", () => {
  expect(parseMeminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nCached: 200 kB\n")?.availableBytes).toBe(
    300 * 1024,
  );
});

test("parseVmStat() adds what macOS can give back", () => {
  const text = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10.
Pages active:                            999.
Pages inactive:                           20.
Pages speculative:                         3.
Pages purgeable:                           4.
`;
  expect(parseVmStat(text)).toBe(37 * 16384);
  expect(parseVmStat("nonsense")).toBeNull();
});
