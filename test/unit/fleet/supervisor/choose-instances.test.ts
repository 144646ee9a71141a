import { expect, test } from "bun:test";
import { chooseInstances, instanceOfFolder } from "../../../../src/fleet/supervisor/choose-instances.ts";
import { folderOfInstance } from "../../../../src/fleet/supervisor/model.ts";

const known = ["web:10", "web:2", "web", "db", "web-admin"];

test.each([
  [["db"], ["db"]],
  [["web"], ["web", "web:2", "web:10"]],
  // The first one keeps the folder of the service when there come to be several.
  [["web:1"], ["web"]],
  [["web:2"], ["web:2"]],
  [
    ["web:2", "web", "db"],
    ["web:2", "web", "web:10", "db"],
  ],
  [[], []],
])("chooseInstances() of %j", (words, chosen) => {
  expect(chooseInstances(words, known)).toEqual({ ok: true, value: chosen });
});

test.each([[["db", "we"]], [["web:3"]], [["web:"]], [[""]]])(
  "chooseInstances() of %j names the word that means nothing",
  (words) => {
    expect(chooseInstances(words, known)).toEqual({ ok: false, error: words.at(-1) ?? "" });
  },
);

test.each(["web", "web:1", "web:100", "web-admin", "a_b"])(
  "instanceOfFolder() finds %j again",
  (instance) => {
    expect(instanceOfFolder(folderOfInstance(instance))).toBe(instance);
  },
);

test.each(["lost+found", "web.0", "web.1.2", "web:1", "", ".", "WEB", "web."])(
  "instanceOfFolder() takes folder %j for none of ours",
  (folder) => {
    expect(instanceOfFolder(folder)).toBeNull();
  },
);
