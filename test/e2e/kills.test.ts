// What was acknowledged survives kill -9 at any point, and nobody has to repair anything afterwards.
import { defineKillTests } from "../helpers/kill-suite.ts";

defineKillTests({ sends: 70, sendersDaemon: 50, receiver: 50, inits: 20, founders: 15, timeoutMs: 120_000 });
