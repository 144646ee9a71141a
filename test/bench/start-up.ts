import type { Bench, Context } from "./context.ts";
import { interleave, timeProgram } from "./measure.ts";
import { type Row, ratioRow } from "./row.ts";

const EXIT_USAGE = 64;

/** What a start costs, against the smallest compiled program. */
export const startUp: Bench = { name: "start-up", run: measure };

async function measure({ fleetd, hello, temp, runs }: Context): Promise<Row[]> {
  const environment = { HOME: temp.home, PATH: process.env["PATH"] ?? "", FLEETD_HOME: temp.path("none") };
  const start =
    (words: readonly string[], exitCode = 0) =>
    (): number =>
      timeProgram(words, { environment, folder: temp.folder, exitCode });
  const values = await interleave(runs(40), {
    hello: start([hello]),
    version: start([fleetd, "--version"]),
    help: start([fleetd, "--help"]),
    refused: start([fleetd, "send", "text", "--no-such-flag"], EXIT_USAGE),
  });
  const against = { what: "compiled hello-world", values: values.hello };
  const row = (name: string, what: string, limit: number | null) => ({ name, what, limit });
  return [
    ratioRow(row("start-up.version", "fleetd --version", 2), values.version, against),
    ratioRow(row("start-up.help", "fleetd --help", null), values.help, against),
    ratioRow(row("start-up.refused", "fleetd send, refused for usage", null), values.refused, against),
  ];
}
