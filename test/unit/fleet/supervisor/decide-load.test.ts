import { expect, test } from "bun:test";
import { decideLoad } from "../../../../src/fleet/supervisor/decide-load.ts";
import { FRESH_HISTORY } from "../../../../src/fleet/supervisor/decide-restart.ts";
import { rulesOf } from "../../../../src/fleet/supervisor/instance-facts.ts";
import type { NotedInstance, NotedRun } from "../../../../src/fleet/supervisor/service-store.ts";
import { definitionOf } from "../../../helpers/memory-supervisor.ts";

const RUN: NotedRun = {
  run: "r",
  tree: null,
  progress: "begun",
  ending: null,
  stop: null,
  startedWallMs: 0,
  digest: "",
};
const NOTED: NotedInstance = {
  key: { service: "web", number: 1, successor: false },
  wanted: true,
  boot: "a",
  run: null,
  restarts: 0,
  history: FRESH_HISTORY,
  lastEnd: null,
  endedWallMs: null,
};
const DONE = { kind: "code", code: 0 } as const;

test.each<[string, Partial<NotedInstance> | null, string, "start" | "take" | "rest"]>([
  ["what was never seen is started", null, "on-failure", "start"],
  ["a run is looked for", { run: RUN }, "on-failure", "take"],
  ["so is one that a person stopped, to finish the stop", { run: RUN, wanted: false }, "no", "take"],
  ["what a person stopped stays", { wanted: false }, "always", "rest"],
  [
    "what waited for its next try is tried now",
    { lastEnd: { kind: "code", code: 1 } },
    "on-failure",
    "start",
  ],
  ["what has done its work stays", { lastEnd: DONE }, "on-failure", "rest"],
  ["unless it is to run always", { lastEnd: DONE }, "always", "start"],
  ["a run of before the system was started is none", { run: RUN, boot: "before" }, "on-failure", "start"],
  ["what has done its work does it again after that", { lastEnd: DONE, boot: "before" }, "no", "start"],
  ["what a person stopped then stays", { wanted: false, boot: "before" }, "unless-stopped", "rest"],
  ["but not what is to run always", { wanted: false, boot: "before" }, "always", "start"],
  [
    "where starts of the system cannot be told apart a run is looked for",
    { run: RUN, boot: null },
    "no",
    "take",
  ],
])("decideLoad(): %s", (_, noted, restart, decision) => {
  const rules = rulesOf(definitionOf("web", { restart }));
  const found = noted === null ? null : { ...NOTED, ...noted };
  expect(decideLoad(found, rules, { isEnabled: true, boot: "a" })).toBe(decision);
});

test("decideLoad(): what the configuration does not start is not started for being new", () => {
  const rules = rulesOf(definitionOf("web"));
  expect(decideLoad(null, rules, { isEnabled: false, boot: "a" })).toBe("rest");
});
