// The one gate: everything that has to hold before a commit. `bun run ok --help`.
import { join } from "node:path";
import { EXIT_CODES } from "../src/base/errors.ts";
import { runGate } from "./gate/run-gate.ts";
import { listStations, parseGateOptions, USAGE } from "./gate/stations.ts";

const words = process.argv.slice(2);
const options = parseGateOptions(words);
if (words.includes("--help") || words.includes("-h")) console.log(USAGE);
else if (options.ok) {
  const isGreen = await runGate({
    root: join(import.meta.dir, ".."),
    stations: listStations(options.value),
    keepGoing: options.value.keepGoing,
    env: options.value.long ? { ...process.env, FLEETD_LONG: "1" } : process.env,
    print: console.log,
  });
  process.exitCode = isGreen ? 0 : EXIT_CODES.FAILED;
} else {
  console.error(`${options.error}\n\n${USAGE}`);
  process.exitCode = EXIT_CODES.USAGE;
}
