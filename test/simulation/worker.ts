// One process of a range of seeds: every so many-th from the first to the last.
import { requireOk } from "../../src/base/errors.ts";
import { parseSimulateOptions } from "./arguments.ts";
import { planOf, play } from "./play.ts";

const [first = "1", last = "1", step = "1", ...words] = process.argv.slice(2);
const wanted = requireOk("USAGE", parseSimulateOptions(words));
for (let seed = Number(first); seed <= Number(last); seed += Number(step)) {
  console.log(JSON.stringify(play(planOf(seed, wanted), wanted)));
}
