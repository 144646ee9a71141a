import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../../..");

type Chunk = {
  imports: { path: string; kind: string }[];
  inputs: Record<string, unknown>;
  entryPoint?: string;
};

// The sources that run before the first command is chosen: the entry of `source` and what it imports at once.
async function eagerSources(source: string): Promise<readonly string[]> {
  const entry = join(ROOT, source);
  const build = await Bun.build({ entrypoints: [entry], target: "bun", splitting: true, metafile: true });
  const outputs: Record<string, Chunk> = build.metafile?.outputs ?? {};
  const byName = new Map(Object.entries(outputs).map(([path, chunk]) => [path.replace(/^.*\//, ""), chunk]));
  const seen = new Set<Chunk>();
  const visit = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || seen.has(chunk)) return;
    seen.add(chunk);
    for (const { kind, path } of chunk.imports) {
      if (kind === "import-statement") visit(byName.get(path.replace(/^.*\//, "")));
    }
  };
  visit(
    [...byName.values()].find((chunk) => chunk.entryPoint?.endsWith(source.replace(/^.*\//, "")) === true),
  );
  const files = [...seen].flatMap((chunk) => Object.keys(chunk.inputs));
  return files.map((file) => file.replace(/^.*(src\/|node_modules\/)/, "$1")).toSorted();
}

describe("start-up", () => {
  test("main.ts loads nothing but the version before it knows what is asked", async () => {
    expect(await eagerSources("src/main.ts")).toEqual(["src/cli/version.ts", "src/main.ts"]);
  });

  test("run-cli.ts loads no command, no output and no dependency but citty", async () => {
    const files = await eagerSources("src/cli/run-cli.ts");
    const allowed = /^(src\/base\/errors\.ts|src\/cli\/[a-z-]+\.ts|node_modules\/citty\/.*)$/;
    expect(files).toContain("src/cli/root.ts");
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    expect(files).not.toContain("src/cli/help.ts");
  });
});
