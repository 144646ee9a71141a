import { beforeEach, describe, expect, test } from "bun:test";
import { FRESH_HISTORY } from "../../../../src/fleet/supervisor/decide-restart.ts";
import type { InstanceWorld } from "../../../../src/fleet/supervisor/instance-world.ts";
import { KnownInstances, type KnownService } from "../../../../src/fleet/supervisor/known-instances.ts";
import type { NotedInstance } from "../../../../src/fleet/supervisor/service-store.ts";
import { nameOf } from "../../../../src/fleet/supervisor/service-view.ts";
import { definitionOf, knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const FILE = { command: ["sleep", "9"] };
const known = (name: string, file: Record<string, unknown> = {}): KnownService =>
  knownOf(name, { ...FILE, ...file });

describe("KnownInstances", () => {
  let instances: KnownInstances;
  const names = (): string[] => instances.all.map(nameOf);

  beforeEach(() => {
    const world: InstanceWorld = {
      ...new MemorySupervisor().world("boot"),
      mayStart: () => true,
      onChanged: () => undefined,
    };
    instances = new KnownInstances(world, (name) => definitionOf(name, { stop: { timeout: "3s" } }));
  });

  test("makes the instances that a definition has and nobody knows, in the order of names and numbers", () => {
    const [web, api] = [known("web", { instances: 2 }), known("api")];
    instances.define([web, api]);
    expect(instances.addMissing(web, false).map(nameOf)).toEqual(["web:1", "web:2"]);
    expect(instances.addMissing(web, true)).toEqual([]);
    expect(instances.addMissing(api, false).map(nameOf)).toEqual(["api"]);
    expect(names()).toEqual(["api", "web:1", "web:2"]);
  });

  test("one more of a service is wanted where the others are", () => {
    instances.define([known("web", { instances: 1 })]);
    instances.addMissing(known("web", { instances: 1 }), false);
    const more = known("web", { instances: 2 });
    instances.define([more]);
    expect(instances.addMissing(more, false)).toEqual([]);
    const most = known("web", { instances: 3 });
    instances.define([most]);
    expect(instances.addMissing(most, true).map(nameOf)).toEqual(["web:3"]);
    expect(names()).toEqual(["web:1", "web:2", "web:3"].map((name) => (name === "web:1" ? "web" : name)));
  });

  test("the first of a service that is not enabled is not to be started", () => {
    const still = known("still", { enabled: false });
    instances.define([still]);
    expect(instances.addMissing(still, false)).toEqual([]);
    expect(names()).toEqual(["still"]);
  });

  test("knows what is defined, also while instances are there that nobody defines any more", () => {
    const web = known("web", { instances: 2 });
    instances.define([web, known("api")]);
    const [first, second] = instances.addMissing(web, true);
    if (first === undefined || second === undefined) throw new Error("no instances");
    instances.define([known("web", { instances: 1 }), known("api")]);
    expect([instances.isDefined(first), instances.isDefined(second)]).toEqual([true, false]);
    instances.undefine(["web"]);
    expect(instances.isDefined(first)).toBe(false);
    expect(instances.service("web")).toBeUndefined();
    expect(instances.definitions.map(({ name }) => name)).toEqual(["api"]);
    expect(instances.of("web")).toHaveLength(2);
    instances.remove(first);
    expect(instances.of("web")).toEqual([second]);
  });

  test("a successor stands after the one that it follows, and a service that is gone has none", () => {
    const web = known("web");
    instances.define([web]);
    const [first] = instances.addMissing(web, true);
    if (first === undefined) throw new Error("no instance");
    const successor = instances.addSuccessor(first);
    expect(instances.of("web")).toEqual([first, successor]);
    instances.define([]);
    expect(() => instances.addSuccessor(first)).toThrow('Cannot replace "web": it is gone');
  });

  test("what nobody defines any more is stopped as its run was to be", () => {
    instances.define([]);
    const stop = { signal: "SIGINT", to: "main", timeoutMs: 77 } as const;
    const noted: NotedInstance = {
      key: { service: "old", number: 1, successor: false },
      wanted: true,
      boot: null,
      run: {
        run: "run",
        tree: null,
        progress: "ready",
        ending: null,
        stop,
        startedWallMs: 0,
        digest: "",
      },
      restarts: 0,
      history: FRESH_HISTORY,
      lastEnd: null,
      endedWallMs: null,
    };
    expect(instances.addForgotten(noted).definition.stop).toEqual({ ...stop, command: null });
    const without = instances.addForgotten({ ...noted, key: { ...noted.key, number: 2 }, run: null });
    expect(without.definition.stop.timeoutMs).toBe(3_000);
  });
});
