import { expect, test } from "bun:test";
import { AwaitedConditions } from "../../../../src/fleet/supervisor/awaited-conditions.ts";

test("what is true already is not waited for", async () => {
  await new AwaitedConditions().until(() => true);
});

test("each goes on with the change that makes its condition true, and is not asked again", async () => {
  const conditions = new AwaitedConditions();
  let value = 0;
  const order: string[] = [];
  let asked = 0;
  const first = conditions
    .until(() => {
      asked += 1;
      return value >= 1;
    })
    .then(() => order.push("first"));
  const second = conditions.until(() => value >= 2).then(() => order.push("second"));
  conditions.look();
  value = 1;
  conditions.look();
  await first;
  expect(order).toEqual(["first"]);
  const askedUntilThen = asked;
  value = 2;
  conditions.look();
  await second;
  expect(order).toEqual(["first", "second"]);
  expect(asked).toBe(askedUntilThen);
});

test("a condition that is added by another's look waits for the next change", async () => {
  const conditions = new AwaitedConditions();
  let isOn = false;
  let later: Promise<void> | null = null;
  const first = conditions.until(() => {
    if (isOn) later ??= conditions.until(() => !isOn);
    return isOn;
  });
  isOn = true;
  conditions.look();
  await first;
  isOn = false;
  conditions.look();
  await later;
  expect(later).not.toBeNull();
});
