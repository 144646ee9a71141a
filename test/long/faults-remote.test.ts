// The suites of test/faults on network and remote, with as many faults as the environment says.
import { test } from "bun:test";
import { defineCrowds } from "../helpers/crowd-suite.ts";
import { defineCutTests } from "../helpers/cut-suite.ts";
import { defineReceiverKills } from "../helpers/killed-receivers-suite.ts";
import { defineTidying } from "../helpers/tidying-suite.ts";

/** Cuts per kind and direction over HTTP; ssh, whose handshakes are slow, gets a third of them. */
const CUTS = Number(process.env["FLEETD_CUTS"] ?? 200);
const RECEIVER_KILLS = Number(process.env["FLEETD_RECEIVER_KILLS"] ?? 100);
const QUESTIONS = Number(process.env["FLEETD_TIDYING_QUESTIONS"] ?? 60);
/** A cut and the recovery from it took up to 2 s on two busy cores, measured. */
const MS_PER_CUT_MAX = 10_000;

if (process.env["FLEETD_LONG"] === "1") {
  const timeoutMs = 60_000 + CUTS * 2 * MS_PER_CUT_MAX;
  const third = Math.ceil(CUTS / 3);
  defineCutTests({
    transport: "http",
    pushes: CUTS,
    fetches: CUTS,
    daemon: third,
    swallowed: third,
    timeoutMs,
  });
  defineCutTests({ transport: "ssh", pushes: third, fetches: third, daemon: 10, swallowed: 10, timeoutMs });
  for (const way of ["file", "http", "ssh"] as const) defineReceiverKills(way, RECEIVER_KILLS, timeoutMs);
  defineTidying(QUESTIONS, timeoutMs);
  defineCrowds({ daemons: 20, ids: 20, clis: 20, timeoutMs });
} else {
  console.log("skipped: the long suite of network and remote, because FLEETD_LONG is not 1");
  test.skipIf(true)("network and remote, the long suite", () => undefined);
}
