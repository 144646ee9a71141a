import { fail, ok, type Result } from "../../src/base/result.ts";

/** The machines fleetd is built for, each with Bun's name for it. */
export const TARGETS = {
  "linux-x64": "bun-linux-x64",
  "linux-arm64": "bun-linux-arm64",
  "linux-x64-musl": "bun-linux-x64-musl",
  "linux-arm64-musl": "bun-linux-arm64-musl",
  "darwin-arm64": "bun-darwin-arm64",
  "darwin-x64": "bun-darwin-x64",
  "windows-x64": "bun-windows-x64",
} as const satisfies Record<string, Bun.Build.CompileTarget>;

/** A key of `TARGETS`. */
export type TargetName = keyof typeof TARGETS;

/** What to build: an executable for this machine, one for each of `targets`, or the library for Node and Bun. */
export type BuildRequest =
  | { readonly kind: "single" }
  | { readonly kind: "package" }
  | { readonly kind: "targets"; readonly targets: readonly TargetName[] };

/** How the words after `bun scripts/build.ts` are written. */
export const USAGE = `bun scripts/build.ts [--single | --all | --package | --target NAME...]

  --single       for this machine: dist/fleetd and dist/metafile.json (the default)
  --target NAME  dist/NAME/fleetd; may be given again. NAME is one of
                 ${Object.keys(TARGETS).join(", ")}
  --all          every target
  --package      dist/package: the library as JavaScript with types, for npm pack`;

const isTarget = (name: string): name is TargetName => Object.hasOwn(TARGETS, name);
const allTargets = Object.keys(TARGETS).filter(isTarget);

/** Reads the words after the script's name. */
export function parseBuildRequest(words: readonly string[]): Result<BuildRequest> {
  if (words.length === 0) return ok({ kind: "single" });
  if (words.length === 1 && words[0] === "--single") return ok({ kind: "single" });
  if (words.length === 1 && words[0] === "--package") return ok({ kind: "package" });
  if (words.length === 1 && words[0] === "--all") return ok({ kind: "targets", targets: allTargets });
  const targets: TargetName[] = [];
  for (let index = 0; index < words.length; index += 2) {
    const [flag, name] = [words[index], words[index + 1]];
    if (flag !== "--target")
      return fail(`Cannot build: found "${flag}", expected --single, --all, --package or --target`);
    if (name === undefined || !isTarget(name)) {
      return fail(`Cannot build target "${name ?? ""}": expected one of ${allTargets.join(", ")}`);
    }
    targets.push(name);
  }
  return ok({ kind: "targets", targets });
}

/** The file name of an executable called `name` on `target`: Windows wants an ending. */
export const fileNameOf = (name: string, target: string): string =>
  target.includes("windows") ? `${name}.exe` : name;
