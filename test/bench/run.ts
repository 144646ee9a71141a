/**
 * Measures what fleetd promises about speed: `bun run bench [--only NAME] [--runs N] [--quick] [--long]`.
 *
 * Machines differ and are busy, so what decides is a ratio of two things measured in turns within one run. A ratio
 * over 1.5 times its budget ends with exit code 1; absolute figures are printed and never fail.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "../../scripts/build/compile.ts";
import { TempGit } from "../helpers/temp-git.ts";
import { compact } from "./compact.ts";
import type { Bench, Context } from "./context.ts";
import { day } from "./day.ts";
import { flush } from "./flush.ts";
import { idle } from "./idle.ts";
import { LargeRemotes } from "./large-remote.ts";
import { million } from "./million.ts";
import { processes } from "./processes.ts";
import { catchUp, poll } from "./receive.ts";
import { renderTable } from "./render.ts";
import { reply } from "./reply.ts";
import { failsGate, holds, type Row } from "./row.ts";
import { sendConfirmed, sendToDaemon } from "./send.ts";
import { services } from "./services.ts";
import { startUp } from "./start-up.ts";

const ROOT = join(import.meta.dir, "../..");
const FLEETD = join(ROOT, "dist/fleetd");
const BENCHES: readonly Bench[] = [
  startUp,
  sendToDaemon,
  sendConfirmed,
  flush,
  reply,
  poll,
  catchUp,
  compact,
  idle,
  day,
  million,
  processes,
  services,
];
const QUICK_DIVISOR = 3;
const EXIT_USAGE = 64;

interface Options {
  readonly only: string | null;
  readonly runs: number | null;
  readonly quick: boolean;
  readonly long: boolean;
}

async function main(options: Options): Promise<number> {
  const chosen = BENCHES.filter(({ name }) => options.only === null || name.startsWith(options.only));
  if (chosen.length === 0) return refuse(`no benchmark "${options.only}"`);
  if (!existsSync(FLEETD)) return refuse(`no "${FLEETD}": build it with "bun scripts/build.ts"`);
  const temp = new TempGit();
  const rows: Row[] = [];
  try {
    isolate(temp);
    const context = await prepare(temp, options);
    for (const bench of chosen) {
      console.error(`measuring ${bench.name} …`);
      rows.push(...(await bench.run(context)));
    }
  } finally {
    temp.remove();
  }
  console.log(renderTable(rows));
  const entries = rows.map((row) => ({ ...row, holds: holds(row), failsGate: failsGate(row) }));
  const report = {
    schema: "fleetd.bench/1",
    platform: process.platform,
    quick: options.quick,
    long: options.long,
    rows: entries,
  };
  await Bun.write(join(ROOT, "dist/bench.json"), `${JSON.stringify(report, null, 2)}\n`);
  return rows.some(failsGate) ? 1 : 0;
}

/** What runs in this process must not see the user's git either: a proxy or a certificate setting changes its way. */
function isolate(temp: TempGit): void {
  for (const name of Object.keys(process.env)) {
    if (/^(?:GIT_|FLEETD_|XDG_|SSL_CERT_)|_proxy$/i.test(name)) delete process.env[name];
  }
  process.env["HOME"] = temp.home;
}

async function prepare(temp: TempGit, { runs, quick, long }: Options): Promise<Context> {
  const hello = join(temp.folder, "hello");
  await compile({ entry: join(ROOT, "test/bench/hello.ts"), outFile: hello, version: "0.0.0" });
  const usualRuns = (usual: number): number =>
    quick ? Math.max(3, Math.ceil(usual / QUICK_DIVISOR)) : usual;
  return {
    fleetd: FLEETD,
    hello,
    temp,
    remotes: new LargeRemotes(temp),
    quick,
    long,
    runs: (usual) => runs ?? usualRuns(usual),
  };
}

function refuse(reason: string): number {
  console.error(`Cannot measure: ${reason}`);
  console.error("bun run bench [--only NAME] [--runs N] [--quick] [--long]");
  console.error(`NAME is the beginning of one of ${BENCHES.map(({ name }) => name).join(", ")}`);
  return EXIT_USAGE;
}

function parseOptions(words: string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        only: { type: "string" },
        runs: { type: "string" },
        quick: { type: "boolean", default: false },
        long: { type: "boolean", default: false },
      },
    });
    const runs = values.runs === undefined ? null : Number(values.runs);
    if (runs !== null && !(Number.isSafeInteger(runs) && runs >= 1))
      return `--runs "${values.runs}" is no count`;
    return { only: values.only ?? null, runs, quick: values.quick, long: values.long };
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

if (import.meta.main) {
  const options = parseOptions(process.argv.slice(2));
  process.exit(typeof options === "string" ? refuse(options) : await main(options));
}
