import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../../scripts/build/compile.ts";

const name = process.platform === "win32" ? "probe.exe" : "probe";
let folder: string;
let metafile: Bun.BuildMetafile;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fleetd-compile-"));
  await Bun.write(
    join(folder, "probe.ts"),
    `declare const FLEETD_VERSION: string;
     const { late } = await import("./late.ts");
     console.log(JSON.stringify([FLEETD_VERSION, process.env.NODE_ENV, process.env.HOSTILE ?? null, late]));`,
  );
  await Bun.write(join(folder, "late.ts"), 'export const late = "late";');
  const job = { entry: join(folder, "probe.ts"), outFile: join(folder, "out", name), version: "1.2.3" };
  await compile(job);
  metafile = await compile(job);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(cwd: string): Promise<unknown> {
  const child = Bun.spawn([join(folder, "out", name)], { cwd, stderr: "inherit" });
  const answer = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return JSON.parse(answer);
}

test("compile() bakes in the version and production mode, and loads lazy files", async () => {
  expect(await run(folder)).toEqual(["1.2.3", "production", null, "late"]);
});

test("compile() makes an executable that ignores .env and bunfig.toml where it is started", async () => {
  const hostile = join(folder, "hostile");
  await Bun.write(join(hostile, ".env"), "HOSTILE=yes\n");
  await Bun.write(join(hostile, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  await Bun.write(join(hostile, "preload.ts"), 'console.log("hostile");');
  expect(await run(hostile)).toEqual(["1.2.3", "production", null, "late"]);
});

test("compile() replaces what was there and leaves nothing else behind", async () => {
  expect(await readdir(join(folder, "out"))).toEqual([name]);
});

test("compile() tells in the metafile which files are loaded late", () => {
  const kinds = Object.values(metafile.inputs).flatMap((input) => input.imports.map(({ kind }) => kind));
  expect(kinds).toEqual(["dynamic-import"]);
});

test("compile() leaves citty able to run a command, with the words as they are", async () => {
  const entry = join(folder, "command.ts");
  await Bun.write(
    entry,
    `import { defineCommand, runCommand } from ${JSON.stringify(Bun.resolveSync("citty", import.meta.dir))};
     const command = defineCommand({ run: ({ rawArgs }) => console.log(JSON.stringify(rawArgs)) });
     await runCommand(command, { rawArgs: ["--to", "a b", "--"] });`,
  );
  const outFile = join(folder, "command-out", name);
  await compile({ entry, outFile, version: "1.2.3" });
  expect(JSON.parse(Bun.spawnSync([outFile]).stdout.toString())).toEqual(["--to", "a b", "--"]);
});

test("compile() rejects a source that does not bundle, and leaves nothing behind", async () => {
  const entry = join(folder, "broken.ts");
  await Bun.write(entry, 'import "./gone.ts";');
  const outFile = join(folder, "broken-out", name);
  await expect(compile({ entry, outFile, version: "1.2.3" })).rejects.toThrow();
  expect(await readdir(join(folder, "broken-out"))).toEqual([]);
});
