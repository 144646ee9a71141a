import type { Clock } from "../../src/base/ports/clock.ts";
import type { NetworkCheck, NetworkReport } from "../../src/base/ports/network-check.ts";
import type { DaemonState } from "../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../src/daemon/events.ts";
import { type GateContext, RemoteGate } from "../../src/daemon/remote-gate.ts";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import type { ServerSettings } from "../../src/fleet/settings/model.ts";
import { type BreakerState, closedBreaker } from "../../src/resilience/breaker.ts";

/** The network as a test wants it; counts looks. */
export class MemoryNetwork implements NetworkCheck {
  host: string | null = "host.example";
  isNoticed = false;
  /** Why it is away; null while it is there. */
  failure: string | null = null;
  looks = 0;

  check(): Promise<NetworkReport> {
    this.looks += 1;
    const ok = this.failure === null;
    return Promise.resolve({
      ok,
      skipped: null,
      target: "host.example:9418",
      stages: [],
      failure: this.failure,
    });
  }
}

/** A gate whose pauses have no jitter, with everything it tells and stores. */
export class MemoryGate {
  readonly network = new MemoryNetwork();
  readonly events: MonitorEvent[] = [];
  readonly saved: { breaker: BreakerState; isNetworkDown: boolean }[] = [];
  settings: ServerSettings = DEFAULT_SETTINGS;
  readonly gate: RemoteGate;

  constructor(clock: Clock, daemon: DaemonState, given: Partial<GateContext> = {}) {
    this.gate = new RemoteGate({
      clock,
      daemon,
      check: this.network,
      // The middle of its range.
      cryptography: { randomBytes: (count) => new Uint8Array(count).fill(128) },
      settings: () => this.settings,
      report: (event) => this.events.push(event),
      breaker: closedBreaker(),
      isNetworkDown: false,
      save: (breaker, isNetworkDown) => this.saved.push({ breaker, isNetworkDown }),
      ...given,
    });
  }

  /** The states that the breaker went through, as told. */
  get transitions(): string[] {
    return this.events.flatMap((event) => (event.kind === "breaker" ? [event.state] : []));
  }
}
