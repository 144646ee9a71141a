import { expect, test } from "bun:test";
import { Life, LifeIsOver } from "../../simulation/life.ts";
import { SimFile } from "../../simulation/sim-database.ts";
import { Timeline } from "../../simulation/timeline.ts";

function opened() {
  const file = new SimFile((database) => database.run("CREATE TABLE kept(x INTEGER PRIMARY KEY)"));
  const life = new Life(new Timeline(), () => undefined);
  const port = file.portOf(life);
  const put = (x: number) => () => port.run("INSERT INTO kept(x) VALUES(?)", x);
  const rows = (): number[] => file.ask<{ x: number }>("SELECT x FROM kept ORDER BY x").map(({ x }) => x);
  return { file, life, port, put, rows };
}

test("a power cut takes relaxed transactions from the end, and no durable one", () => {
  for (const [chosen, left] of [
    [0, [1]],
    [1, [1, 2]],
    [2, [1, 2, 3]],
  ] as const) {
    const { file, port, put, rows } = opened();
    file.arm();
    port.transaction(put(1));
    port.relaxedTransaction(put(2));
    port.relaxedTransaction(put(3));
    file.losePower(() => chosen);
    expect(rows()).toEqual([...left]);
  }
});

test("a durable transaction keeps the relaxed ones before it", () => {
  const { file, port, put, rows } = opened();
  file.arm();
  port.relaxedTransaction(put(1));
  port.transaction(put(2));
  file.losePower((count) => {
    expect(count).toBe(1);
    return 0;
  });
  expect(rows()).toEqual([1, 2]);
});

test("a process that dies in a transaction leaves nothing of it", () => {
  const { life, port, put, rows } = opened();
  port.transaction(put(1));
  life.endAfter(3, 1_000);
  expect(() =>
    port.transaction(() => {
      put(2)();
      put(3)();
    }),
  ).toThrow(LifeIsOver);
  expect(rows()).toEqual([1]);
});

test("what was read is read again once its table was written to", () => {
  const { port, put } = opened();
  const count = (): unknown => port.get("SELECT count(*) AS count FROM kept");
  expect(count()).toEqual({ count: 0 });
  port.transaction(put(1));
  expect(count()).toEqual({ count: 1 });
  expect(() =>
    port.transaction(() => {
      put(2)();
      expect(count()).toEqual({ count: 2 });
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(count()).toEqual({ count: 1 });
});
