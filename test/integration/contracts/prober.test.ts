import { systemProber } from "../../../src/platform/prober/prober.ts";
import { proberContract } from "./prober.contract.ts";

proberContract("of this machine", systemProber);
