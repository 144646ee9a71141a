import { openLinuxCalls } from "../../../src/platform/supervision/linux-calls.ts";
import { LinuxHost } from "../../../src/platform/supervision/linux-host.ts";
import { openProcessHost } from "../../../src/platform/supervision/process-host.ts";
import { HELPER } from "../../helpers/host-scene.ts";
import { processHostContract } from "./process-host.contract.ts";

const ABILITIES = {
  containment: "process-group",
  enforces: { memory: false, cpus: false, pids: false },
  adoptedExits: true,
  notes: [],
} as const;

processHostContract("of this machine", () => openProcessHost({ helper: HELPER }), { findsForgetful: true });

// What there is where nobody lends control groups.
processHostContract(
  "without control groups",
  () =>
    Promise.resolve(
      new LinuxHost({ calls: openLinuxCalls(), groups: null, abilities: ABILITIES, helper: HELPER }),
    ),
  { findsForgetful: true },
);

// What there is where memory may not be both written and run.
processHostContract(
  "from /proc alone",
  () => Promise.resolve(new LinuxHost({ calls: null, groups: null, abilities: ABILITIES, helper: HELPER })),
  { findsForgetful: false },
);
