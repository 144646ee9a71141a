// As test/faults/failing-calls.test.ts, with as many calls of each operation as FLEETD_CALLS says; all of them by default.
import { test } from "bun:test";
import { defineCallFaultTests } from "../helpers/call-fault-suite.ts";

const CALLS = Number(process.env["FLEETD_CALLS"] ?? 1_000);
const TIMEOUT_MS = 3_600_000;

if (process.env["FLEETD_LONG"] === "1") {
  defineCallFaultTests({ send: CALLS, receive: CALLS, monitor: CALLS, timeoutMs: TIMEOUT_MS });
} else {
  console.log("skipped: the long suite of calls that fail, because FLEETD_LONG is not 1");
  test.skipIf(true)("calls that fail, the long suite", () => undefined);
}
