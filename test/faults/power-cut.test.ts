// What was acknowledged survives a power cut at any moment, on the machines of the servers and on that of the remote.
import { definePowerTests } from "../helpers/power-suite.ts";

definePowerTests({ cuts: 2, controlSends: 6, timeoutMs: 240_000 });
