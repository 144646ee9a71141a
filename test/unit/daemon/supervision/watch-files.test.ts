import { beforeEach, describe, expect, test } from "bun:test";
import type { WatchEvents, WatchTarget } from "../../../../src/base/ports/file-watcher.ts";
import { ignoring, WatchFiles } from "../../../../src/daemon/supervision/watch-files.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const WATCHED = {
  cwd: "/app",
  watch: { paths: ["src", "/etc/app.conf"], ignore: ["*.log"], debounce: "500ms" },
};

let world = new MemorySupervisor();
let open: { target: WatchTarget; events: WatchEvents }[] = [];
let renewed: string[] = [];
let notices: string[] = [];
let files: WatchFiles;

beforeEach(async () => {
  world = new MemorySupervisor();
  [open, renewed, notices] = [[], [], []];
  files = new WatchFiles({
    clock: world.clock,
    watcher: {
      watch(target, events) {
        const one = { target, events };
        open.push(one);
        return () => {
          open = open.filter((other) => other !== one);
        };
      },
    },
    instances: () => world.supervisor.instances,
    renew: (service, path) => {
      renewed.push(`${service} ${path}`);
      return Promise.resolve();
    },
    notice: (text) => void notices.push(text),
  });
  world.supervisor.begin([knownOf("web", { ...WATCHED, instances: 2 }), knownOf("db")], new Set());
  await world.settle();
  files.refresh();
});

const change = (path: string): void => open[0]?.events.onChange(path);
const paths = (): string[] => open.map(({ target }) => target.path);

describe("WatchFiles", () => {
  test("watch the paths of each service that runs once, and no others", () => {
    expect(paths()).toEqual(["/app/src", "/etc/app.conf"]);
    files.refresh();
    expect(paths().length).toBe(2);
  });

  test("start a service anew once for a burst, and name the first that changed", async () => {
    for (const name of ["a", "b", "c"]) {
      change(`/app/src/${name}`);
      await world.clock.advance(400);
    }
    expect(renewed).toEqual([]);
    await world.clock.advance(200);
    expect(renewed).toEqual(["web /app/src/a"]);
    change("/app/src/d");
    await world.clock.advance(500);
    expect(renewed).toEqual(["web /app/src/a", "web /app/src/d"]);
  });

  test("do not wait for the end of a burst that has none", async () => {
    for (let turn = 0; turn < 60; turn += 1) {
      change(`/app/src/${turn}`);
      await world.clock.advance(250);
    }
    expect(renewed).toEqual(["web /app/src/0"]);
  });

  test("end with their service, and begin again with it", async () => {
    change("/app/src/a");
    world.supervisor.stop(world.supervisor.find(["web"]));
    await world.clock.advance(100);
    files.refresh();
    expect(paths()).toEqual([]);
    await world.clock.advance(1_000);
    expect(renewed).toEqual([]);
    world.supervisor.start(world.supervisor.find(["web:1"]));
    await world.settle();
    files.refresh();
    expect(paths()).toEqual(["/app/src", "/etc/app.conf"]);
  });

  test("are those of a definition that was changed", async () => {
    world.supervisor.redefine([knownOf("web", { cwd: "/other", watch: true }), knownOf("db")], new Set());
    await world.settle();
    files.refresh();
    expect(paths()).toEqual(["/other"]);
    files.close();
    expect(paths()).toEqual([]);
  });

  test("tell each trouble once", () => {
    open[0]?.events.onTrouble("no room");
    open[1]?.events.onTrouble("no room");
    expect(notices).toEqual(["web: no room"]);
  });
});

test("ignoring() leaves out names at any depth, paths below the folder, and always git and packages", () => {
  const isIgnored = ignoring(["*.log", "dist/", "src/gen", "/data/**"]);
  const left = [
    ".git/index",
    "a/node_modules/x.js",
    "a/b.log",
    "dist/x",
    "a/dist/x",
    "src/gen/x",
    "data/x/y",
  ];
  expect(left.filter((path) => !isIgnored(path))).toEqual([]);
  const kept = ["src/main.ts", "a/src/gen", "logs", "distance/x", ".gitignore", "a/data/x"];
  expect(kept.filter(isIgnored)).toEqual([]);
});
