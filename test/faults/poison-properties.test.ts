// Pushes of strangers drawn from a seed, many at once on one fleet. FLEETD_POISON_SEED plays a run again.
import { definePoisonTests } from "../helpers/poison-suite.ts";

definePoisonTests({ rounds: 3, strikes: 20, timeoutMs: 120_000 });
