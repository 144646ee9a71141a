/** The services of a soak: one of each kind that makes trouble. */
import { join } from "node:path";
import { fixtureWords, type ServiceFleet } from "./service-fleet.ts";

/** Where the ones that are asked answer. */
export interface SoakPorts {
  readonly web: number;
}

/** Short times: in an hour everything has to happen often. */
export const SOAK_SUPERVISOR = {
  backoff_first: "200ms",
  backoff_longest: "3s",
  backoff_stable: "3s",
  crash_slow: "5s",
  stop_timeout: "2s",
  log_file_size: "256KiB",
  log_total: "1MiB",
};

/** What a change of the configuration changes; `version` counts the changes. */
export function soakServices(fleet: ServiceFleet, ports: SoakPorts, version: number): Record<string, object> {
  const note = (name: string, ...words: readonly string[]): string[] => fleet.noted(name, ...words);
  const file = (name: string): string => join(fleet.folder, name);
  const quick = { interval: "300ms", timeout: "5s" };
  return {
    flood: { command: note("flood", "chatters.sh", "50", "0.5") },
    dies: { command: note("dies", "dies-soon.sh"), restart: "always" },
    stubborn: { command: note("stubborn", "ignores-term.sh") },
    detaches: { command: note("detaches", "detaches.sh", file("detached")) },
    forgets: { command: note("forgets", "detaches.sh", file("forgotten"), "forgets") },
    web: {
      command: note("web", "answers-later.ts", String(ports.web), "1500"),
      probes: {
        readiness: { ...quick, http: `http://127.0.0.1:${ports.web}/` },
        liveness: { interval: "2s", timeout: "2s", failures: 3, http: `http://127.0.0.1:${ports.web}/` },
      },
    },
    asked: {
      command: note("asked", "ready-later.sh", file("asked-is-ready"), "1"),
      probes: { readiness: { ...quick, exec: ["test", "-e", file("asked-is-ready")] } },
    },
    tells: {
      command: [
        ...note("tells", "sh", "-c"),
        'python3 "$0" READY=1 </dev/null; while :; do sleep 1; done',
        join(import.meta.dir, "../fixtures/probes/say.py"),
      ],
      probes: { readiness: { notify: true } },
    },
    grows: { command: note("grows", "grows.sh"), limits: { memory: "48MiB" }, restart: "always" },
    db: {
      command: note("db", "chatters.sh", "1", "1"),
      probes: { readiness: { log: "line 1 of", ...quick } },
    },
    app: {
      command: note("app", "chatters.sh", "1", "2"),
      depends_on: ["db"],
      env: { VERSION: String(version) },
    },
    // Version by version there are more and fewer of them.
    workers: { command: note("workers", "chatters.sh", "1", "1"), instances: 3 + (version % 2) },
    swaps: {
      command: note("swaps", "chatters.sh", "1", "0.5"),
      probes: { readiness: { log: "line 1 of", ...quick } },
    },
    bursts: { command: note("bursts", "bursts.sh"), logs: { rate: 2_000 } },
    once: { command: note("once", "sh", "-c", "echo done") },
    ticks: { command: note("ticks", "sleep", "4"), restart: "always" },
    // A service of a new name with every version; the one before goes.
    [`extra-${version}`]: { command: fixtureWords(["chatters.sh", "5", "1"]) },
  };
}
