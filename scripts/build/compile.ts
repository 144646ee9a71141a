import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileNameOf } from "./targets.ts";

/** What to compile, where to, and for which machine. */
export type CompileJob = {
  /** The first source file, absolute or relative to the working directory. */
  readonly entry: string;
  /** Where the executable goes. On Windows it ends in `.exe`. */
  readonly outFile: string;
  /** Bun's name of a target; this machine if left out. */
  readonly target?: Bun.Build.CompileTarget;
  readonly version: string;
};

/**
 * Compiles one executable and resolves to the bundler's metafile.
 *
 * The four of splitting, bytecode, esm and minify belong together: without one of them a command starts up to four
 * times slower. All loading of settings at run time is off, or the executable would obey the `.env` and `bunfig.toml`
 * of whatever folder it is started in. The result appears by rename: a running executable is never half written.
 * Bun embeds the base name of the output, so the temporary place is a folder and the base name stays.
 */
export async function compile(job: CompileJob): Promise<Bun.BuildMetafile> {
  const outFolder = dirname(job.outFile);
  await mkdir(outFolder, { recursive: true });
  const workFolder = await mkdtemp(join(outFolder, ".build-"));
  try {
    const name = basename(job.outFile, ".exe");
    const metafile = await bundle(job, join(workFolder, name));
    const fileName = fileNameOf(name, job.target ?? process.platform.replace("win32", "windows"));
    await rename(join(workFolder, fileName), join(outFolder, fileName));
    return metafile;
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

/**
 * citty runs its own parser before each command, though it is given no arguments to find (`src/cli/strict-command.ts`): for
 * that alone it loads `node:util`, 1.5 of the 8 ms that a command's start takes (measured). The words go through as they are.
 */
const cittyWithoutParser: Bun.BunPlugin = {
  name: "citty without node:util",
  setup(build) {
    build.onLoad({ filter: /[/\\]citty[/\\]dist[/\\]index\.mjs$/ }, async ({ path }) => {
      const source = await Bun.file(path).text();
      const contents = source.replace(
        CITTY_IMPORT,
        "const parseArgs$1 = () => ({ values: {}, positionals: [] });",
      );
      if (contents === source) throw new Error(`Cannot build: "${path}" does not import parseArgs as it did`);
      return { contents, loader: "js" };
    });
  },
};

const CITTY_IMPORT = 'import { parseArgs as parseArgs$1 } from "node:util";';

async function bundle(job: CompileJob, outfile: string): Promise<Bun.BuildMetafile> {
  const { metafile } = await Bun.build({
    entrypoints: [job.entry],
    format: "esm",
    splitting: true,
    bytecode: true,
    minify: true,
    metafile: true,
    plugins: [cittyWithoutParser],
    define: {
      FLEETD_VERSION: JSON.stringify(job.version),
      "process.env.NODE_ENV": JSON.stringify("production"),
    },
    compile: {
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      ...(job.target === undefined ? {} : { target: job.target }),
    },
  });
  if (metafile === undefined) throw new Error(`Cannot build "${job.entry}": the bundler wrote no metafile`);
  return metafile;
}
