import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/** The faces of the library: what a program imports as `fleetd/<name>`, and its source. `package.json` exports the same. */
export const FACES = {
  metrics: "src/library/metrics.ts",
  process: "src/library/process.ts",
} as const satisfies Record<string, string>;

const OUT_FOLDER = "dist/package";
// Each runtime has one of them, loaded only when a database is read.
const RUNTIME_MODULES = ["bun:sqlite", "node:sqlite"];

/**
 * Builds the library into `dist/package`: ECMAScript modules for Node and Bun, with their types. Answers the folder.
 * Everything of ours is bundled, so the package has no dependencies. The folder appears by rename.
 */
export async function buildPackage(): Promise<string> {
  await mkdir("dist", { recursive: true });
  const work = await mkdtemp("dist/.package-");
  try {
    await Bun.build({
      entrypoints: Object.values(FACES),
      outdir: work,
      naming: { entry: "[name].js", chunk: "[name]-[hash].js" },
      target: "node",
      format: "esm",
      splitting: true,
      external: RUNTIME_MODULES,
    });
    await writeTypes(work);
    await rm(OUT_FOLDER, { recursive: true, force: true });
    await rename(work, OUT_FOLDER);
    return OUT_FOLDER;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Types as the compiler sees them, with the folders of `src`, since types name each other by file. */
async function writeTypes(outFolder: string): Promise<void> {
  const project = join(outFolder, "tsconfig.json");
  const options = {
    extends: "../../tsconfig.json",
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: "../../src",
      outDir: ".",
    },
    include: [],
    files: [...Object.values(FACES).map((source) => `../../${source}`), "../../src/base/ms.d.ts"],
  };
  await Bun.write(project, JSON.stringify(options));
  const compiler = Bun.spawn([process.execPath, "node_modules/typescript/bin/tsc", "-p", project], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(compiler.stdout).text();
  if ((await compiler.exited) !== 0) throw new Error(`Cannot write the types of the package: ${said}`);
  await rm(project);
  // The compiler leaves the endings of our sources, which only compilers with a special option take.
  for await (const name of new Bun.Glob("**/*.d.ts").scan(outFolder)) {
    const path = join(outFolder, name);
    const text = await Bun.file(path).text();
    await Bun.write(path, text.replace(/(from |import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"'));
  }
}
