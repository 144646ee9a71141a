import { describe, expect, test } from "bun:test";
import type { ProcessRow, ProcessTable } from "../../../../src/base/ports/process-table.ts";
import { UsageSampler } from "../../../../src/fleet/supervisor/usage-sampler.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";

const row = (pid: number, cpuMs: number | null, start: string | null = "s"): ProcessRow => ({
  pid,
  parent: 1,
  group: pid,
  session: pid,
  start,
  name: "p",
  state: "running",
  cpuMs,
  residentBytes: 4096,
});

function open(): { sampler: UsageSampler; clock: FakeClock; show: (...rows: ProcessRow[]) => void } {
  let rows: ProcessRow[] = [];
  const missing = (): never => {
    throw new Error("not asked for");
  };
  const table: ProcessTable = {
    list: () => Promise.resolve(rows),
    pick: (pids) => Promise.resolve(rows.filter(({ pid }) => pids.includes(pid))),
    details: missing,
    listeners: missing,
    isListened: missing,
    isOurs: missing,
    signal: missing,
  };
  const clock = new FakeClock();
  const show = (...next: ProcessRow[]): void => {
    rows = next;
  };
  return { sampler: new UsageSampler(table, clock), clock, show };
}

const shares = async (sampler: UsageSampler, pids: number[] | null = null) =>
  (await sampler.sample(pids)).map(({ pid, cpuPercent }) => [pid, cpuPercent]);

describe("UsageSampler", () => {
  test("tells the share of a processor since the look before, and nothing at the first", async () => {
    const { sampler, clock, show } = open();
    show(row(1, 1_000), row(2, 50));
    expect(await shares(sampler)).toEqual([
      [1, null],
      [2, null],
    ]);
    await clock.advance(2_000);
    show(row(1, 1_500), row(2, 4_050));
    expect(await shares(sampler)).toEqual([
      [1, 25],
      [2, 200],
    ]);
  });

  test("takes an id that another process got for another process", async () => {
    const { sampler, clock, show } = open();
    show(row(1, 1_000, "old"));
    await sampler.sample([1]);
    await clock.advance(1_000);
    show(row(1, 1_200, "new"));
    expect(await shares(sampler, [1])).toEqual([[1, null]]);
  });

  test("leaves out what is gone, and forgets it", async () => {
    const { sampler, clock, show } = open();
    show(row(1, 0));
    await sampler.sample(null);
    show();
    expect(await shares(sampler)).toEqual([]);
    await clock.advance(1_000);
    show(row(1, 10));
    expect(await shares(sampler)).toEqual([[1, null]]);
  });

  test("says unknown where processor time is not told, or no time passed", async () => {
    const { sampler, clock, show } = open();
    show(row(1, null), row(2, 10));
    await sampler.sample(null);
    expect(await shares(sampler)).toEqual([
      [1, null],
      [2, null],
    ]);
    await clock.advance(1_000);
    show(row(1, 10), row(2, 10));
    expect(await shares(sampler)).toEqual([
      [1, null],
      [2, 0],
    ]);
  });
});
