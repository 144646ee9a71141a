// Builds the executable and the library: `bun scripts/build.ts --help`.
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_CODES } from "../src/base/errors.ts";
import { compile } from "./build/compile.ts";
import { buildPackage } from "./build/package.ts";
import { type BuildRequest, fileNameOf, parseBuildRequest, TARGETS, USAGE } from "./build/targets.ts";

const ROOT = join(import.meta.dir, "..");
const ENTRY = "src/main.ts";

async function build(request: BuildRequest): Promise<void> {
  const { version } = await Bun.file("package.json").json();
  if (request.kind === "single") {
    const outFile = join("dist", process.platform === "win32" ? "fleetd.exe" : "fleetd");
    const metafile = await compile({ entry: ENTRY, outFile, version });
    await Bun.write("dist/.metafile.json", `${JSON.stringify(metafile, null, 2)}\n`);
    await rename("dist/.metafile.json", "dist/metafile.json");
    console.log(outFile);
    return;
  }
  if (request.kind === "package") {
    console.log(await buildPackage());
    return;
  }
  for (const name of request.targets) {
    const outFile = join("dist", name, fileNameOf("fleetd", name));
    await compile({ entry: ENTRY, outFile, version, target: TARGETS[name] });
    console.log(outFile);
  }
}

if (import.meta.main) {
  const words = process.argv.slice(2);
  const request = parseBuildRequest(words);
  if (words.includes("--help") || words.includes("-h")) console.log(USAGE);
  else if (request.ok) {
    process.chdir(ROOT);
    await build(request.value);
  } else {
    console.error(`${request.error}\n\n${USAGE}`);
    process.exitCode = EXIT_CODES.USAGE;
  }
}
