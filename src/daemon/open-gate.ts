import type { NetworkCheck } from "../base/ports/network-check.ts";
import { readSetting, writeSetting } from "../fleet/messaging/identity.ts";
import type { SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import { closedBreaker } from "../resilience/breaker.ts";
import { type Boot, parseSavedBreaker, restoreBreaker, saveBreaker } from "../resilience/saved-breaker.ts";
import type { DaemonState } from "./daemon-state.ts";
import type { Report } from "./events.ts";
import { RemoteGate } from "./remote-gate.ts";

const SETTING = "breaker";
const NETWORK_DOWN = "breaker_network_down";

/** The gate of a daemon, with the breaker that an earlier run left in `state.db`; it stores every transition there. */
export function openGate(options: {
  readonly ports: SendPorts;
  readonly daemon: DaemonState;
  readonly check: NetworkCheck;
  readonly boot: () => Boot;
  readonly settings: () => ServerSettings;
  readonly report: Report;
}): RemoteGate {
  const { ports, daemon, check, boot, settings, report } = options;
  const { state, clock, cryptography } = ports;
  const saved = parseSavedBreaker(readSetting(state, SETTING) ?? "");
  const moment = { nowMs: clock.monotonicMs(), random: (cryptography.randomBytes(1)[0] ?? 0) / 256 };
  return new RemoteGate({
    clock,
    cryptography,
    check,
    daemon,
    settings,
    report,
    breaker: saved === null ? closedBreaker() : restoreBreaker(saved, moment, boot()),
    isNetworkDown: readSetting(state, NETWORK_DOWN) === "1",
    // A power cut may lose the last of these: then the breaker is found as it was before.
    save: (breaker, isNetworkDown) =>
      state.relaxedTransaction(() => {
        writeSetting(state, SETTING, JSON.stringify(saveBreaker(breaker, clock.monotonicMs(), boot())));
        writeSetting(state, NETWORK_DOWN, isNetworkDown ? "1" : "0");
      }),
  });
}
