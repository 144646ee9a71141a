import { describe, expect, test } from "bun:test";
import type { NotifyReceiver, ProbeAnswer, ProbeQuestion } from "../../../../src/base/ports/prober.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import type { ProbeWatch } from "../../../../src/fleet/supervisor/instance-world.ts";
import { parseServiceDefinition } from "../../../../src/fleet/supervisor/parse-service.ts";
import type { RunProgress } from "../../../../src/fleet/supervisor/service-store.ts";
import { needsNotify, watchdogMs, watchProbes } from "../../../../src/fleet/supervisor/watch-probes.ts";
import { FakeClock, settle } from "../../../helpers/fake-clock.ts";

function definitionWith(probes: Record<string, unknown>) {
  const parsed = parseServiceDefinition("web", { command: ["x"], probes }, DEFAULT_SETTINGS.supervisor);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

/** A service whose answers a test gives. */
class Scene {
  readonly clock = new FakeClock();
  readonly told: string[] = [];
  readonly asked: ProbeQuestion[] = [];
  isWell = false;
  hear: (text: string, pid: number) => void = () => undefined;
  canAsk = true;

  start(probes: Record<string, unknown>, progress: RunProgress = "begun") {
    const watch: ProbeWatch = {
      definition: definitionWith(probes),
      key: { service: "web", number: 1, successor: false },
      tree: { identity: { pid: 7, start: "s" }, run: "run", cgroup: null },
      progress,
      onStarted: () => this.told.push("started"),
      onReady: (value) => this.told.push(value ? "ready" : "not ready"),
      onUnwell: (why) => this.told.push(why.kind === "probe" ? why.detail : why.kind),
    };
    const notify: NotifyReceiver = {
      open: () => "/x",
      listen: (_run, isMember, onText) => {
        this.hear = (text, pid) => (isMember(pid) ? onText(text, pid) : undefined);
      },
      end: () => undefined,
      close: () => undefined,
    };
    return watchProbes(
      {
        clock: this.clock,
        random: () => 0.5,
        prober: { ask: (question) => this.#answer(question) },
        notify,
        askProgram: (_watch, { command }) =>
          this.canAsk
            ? this.#answer({ kind: "exec", command, cwd: "/", environment: { A: "1" } })
            : Promise.reject(new Error("no folder")),
        isMember: (_watch, pid) => pid === 7,
        onStatus: (_watch, status) => this.told.push(`status ${status}`),
      },
      watch,
    );
  }

  #answer(question: ProbeQuestion): Promise<ProbeAnswer> {
    this.asked.push(question);
    return Promise.resolve({ isWell: this.isWell, detail: this.isWell ? "fine" : "down" });
  }
}

describe("watchProbes()", () => {
  test("watchProbes() asks until it is well, and then tells", async () => {
    const scene = new Scene();
    scene.start({ readiness: { tcp: 80 } });
    await scene.clock.advance(3_000);
    expect([scene.asked.length > 1, scene.told]).toEqual([true, []]);
    scene.isWell = true;
    await scene.clock.advance(2_000);
    expect(scene.told).toEqual(["ready"]);
  });

  test("watchProbes() tells once that a service is dead, and asks no more", async () => {
    const scene = new Scene();
    scene.start({ liveness: { tcp: 80, interval: "1s", failures: 2 } });
    await scene.clock.advance(60_000);
    expect([scene.told, scene.asked.length, scene.clock.sleeping]).toEqual([["liveness: down"], 2, 0]);
  });

  test("watchProbes() is ready as soon as the line is written, not at the next question", async () => {
    const scene = new Scene();
    const probes = scene.start({ readiness: { log: "ready", interval: "1h" } });
    await scene.clock.advance(400_000);
    probes.line("nothing");
    await settle();
    expect(scene.told).toEqual([]);
    probes.line("now ready");
    await settle();
    expect(scene.told).toEqual(["ready"]);
  });

  test("watchProbes() believes what a process of the service says, and nobody else", async () => {
    const scene = new Scene();
    scene.start({ readiness: { notify: true, interval: "1h", failures: 1 } });
    await scene.clock.advance(400_000);
    scene.hear("READY=1", 666);
    await settle();
    expect(scene.told).toEqual([]);
    scene.hear("READY=1\nSTATUS=up", 7);
    await settle();
    expect(scene.told).toEqual(["status up", "ready"]);
    scene.hear("RELOADING=1", 7);
    await settle();
    expect(scene.told.at(-1)).toBe("not ready");
  });

  test("watchProbes() misses signs of life", async () => {
    const scene = new Scene();
    scene.start({ liveness: { notify: true, interval: "10s", failures: 2 } });
    for (let count = 0; count < 6; count += 1) {
      await scene.clock.advance(5_000);
      scene.hear("WATCHDOG=1", 7);
    }
    expect(scene.told).toEqual([]);
    await scene.clock.advance(60_000);
    expect(scene.told).toEqual(["liveness: no WATCHDOG=1 in time"]);
  });

  test("watchProbes() asks programs with the surroundings of the service", async () => {
    const scene = new Scene();
    scene.start({ readiness: { exec: ["check"] } });
    await scene.clock.advance(500);
    expect(scene.asked[0]).toEqual({ kind: "exec", command: ["check"], cwd: "/", environment: { A: "1" } });
  });

  test("watchProbes() takes surroundings that are gone for an answer", async () => {
    const scene = new Scene();
    scene.canAsk = false;
    scene.start({ liveness: { exec: ["check"], failures: 1 } });
    await scene.clock.advance(30_000);
    expect(scene.told).toEqual(["liveness: no folder"]);
  });

  test("watchProbes() that was stopped neither asks nor tells", async () => {
    const scene = new Scene();
    const probes = scene.start({ readiness: { notify: true }, liveness: { tcp: 80 } });
    probes.stop();
    scene.hear("READY=1", 7);
    await scene.clock.advance(60_000);
    expect([scene.told, scene.asked, scene.clock.sleeping]).toEqual([[], [], 0]);
  });
});

test("watchdogMs() is the interval of a liveness that is heard", () => {
  expect(watchdogMs(definitionWith({ liveness: { notify: true, interval: "30s" } }).probes)).toBe(30_000);
  expect(watchdogMs(definitionWith({ readiness: { notify: true } }).probes)).toBeNull();
});

test("needsNotify() is any probe that listens", () => {
  expect(needsNotify(definitionWith({ startup: { notify: true } }).probes)).toBe(true);
  expect(needsNotify(definitionWith({ startup: { tcp: 1 } }).probes)).toBe(false);
});
