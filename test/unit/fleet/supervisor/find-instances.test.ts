import { expect, test } from "bun:test";
import { compareKeys, findInstances } from "../../../../src/fleet/supervisor/find-instances.ts";
import { definitionOf } from "../../../helpers/memory-supervisor.ts";

const WEB = definitionOf("web", { instances: 2, groups: ["front"] });
const DB = definitionOf("db");
const key = (service: string, number: number, successor = false) => ({ service, number, successor });
const INSTANCES = [
  { key: key("db", 1), definition: DB },
  { key: key("web", 1), definition: WEB },
  { key: key("web", 2), definition: WEB },
];

test.each<[string[], string[]]>([
  [[], ["db1", "web1", "web2"]],
  [["web"], ["web1", "web2"]],
  [["web:2"], ["web2"]],
  [["front"], ["web1", "web2"]],
  [
    ["web:2", "web"],
    ["web2", "web1"],
  ],
  [["db"], ["db1"]],
])("findInstances() of %p are %p", (names, found) => {
  const answer = findInstances(names, INSTANCES, ["web", "db"]);
  expect(answer.ok && answer.value.map((one) => `${one.key.service}${one.key.number}`)).toEqual(found);
});

test("findInstances() takes a service before a group of its name, which would hide it", () => {
  const front = { key: key("front", 1), definition: definitionOf("front") };
  const answer = findInstances(["front"], [...INSTANCES, front], []);
  expect(answer).toEqual({ ok: true, value: [front] });
});

test("findInstances() names what it does not know, and what there is", () => {
  expect(findInstances(["db", "wep"], INSTANCES, ["web", "db"])).toEqual({
    ok: false,
    error: 'Cannot find service "wep": there are db, web',
  });
  expect(findInstances(["web"], [], [])).toMatchObject({
    error: 'Cannot find service "web": none is defined',
  });
});

test("compareKeys() orders by service, number, and a successor last", () => {
  const sorted = [key("web", 2), key("web", 1, true), key("db", 9), key("web", 1)].sort(compareKeys);
  expect(sorted).toEqual([key("db", 9), key("web", 1), key("web", 1, true), key("web", 2)]);
});
