// A disk that fails, is full, or has no file left to open, at any call of fleetd: said plainly, and nothing is lost.
import { defineCallFaultTests } from "../helpers/call-fault-suite.ts";

defineCallFaultTests({ send: 6, receive: 4, monitor: 1, timeoutMs: 240_000 });
