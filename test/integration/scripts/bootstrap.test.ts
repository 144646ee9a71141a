import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const ROOT = join(import.meta.dir, "../../..");
const isWindows = process.platform === "win32";
if (isWindows) console.log("skipped: bootstrap.sh, because Windows has no file modes to tell programs by");

let checkout: string;

beforeEach(async () => {
  checkout = await mkdtemp(join(tmpdir(), "fleetd-bootstrap-"));
  await cp(join(ROOT, "scripts"), join(checkout, "scripts"), { recursive: true });
  await Bun.write(join(checkout, "package.json"), '{\n  "packageManager": "bun@7.8.9"\n}\n');
});

afterEach(() => rm(checkout, { recursive: true, force: true }));

/** A program that prints `text`. */
async function program(path: string, text: string): Promise<string> {
  const file = join(checkout, path);
  await mkdir(dirname(file), { recursive: true });
  await Bun.write(file, `#!/bin/sh\necho "${text}"\n`);
  await chmod(file, 0o755);
  return file;
}

async function sh(script: string): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const child = Bun.spawn(["sh", "-c", `ROOT=$0; . "$ROOT/scripts/bootstrap.sh"; ${script}`, checkout], {
    env: { PATH: [join(checkout, "bin"), "/usr/bin", "/bin"].join(delimiter) },
    stdout: "pipe",
    stderr: "pipe",
  });
  const stdout = await new Response(child.stdout).text();
  const stderr = await new Response(child.stderr).text();
  return { exitCode: await child.exited, stdout: stdout.trim(), stderr: stderr.trim() };
}

describe.skipIf(isWindows)("find_bun", () => {
  test("takes the one on PATH if it has the version of package.json", async () => {
    const onPath = await program("bin/bun", "7.8.9");
    await program(".tools/node_modules/.bin/bun", "7.8.9");
    expect(await sh("find_bun")).toEqual({ exitCode: 0, stdout: onPath, stderr: "" });
  });

  test("passes over another version on PATH for the one in .tools", async () => {
    await program("bin/bun", "7.8.10");
    const inTools = await program(".tools/node_modules/.bin/bun", "7.8.9");
    expect(await sh("find_bun")).toEqual({ exitCode: 0, stdout: inTools, stderr: "" });
  });

  test("takes what npm unpacked for the machine when no install script has linked it", async () => {
    await program("bin/bun", "7.8.10");
    await program(".tools/node_modules/.bin/bun", "Bun's postinstall script was not run");
    const unpacked = await program(".tools/node_modules/@oven/bun-amiga/bin/bun", "7.8.9");
    expect(await sh("find_bun")).toEqual({ exitCode: 0, stdout: unpacked, stderr: "" });
  });

  test("fails when there is none", async () => {
    await program("bin/bun", "7.8.10");
    expect((await sh("find_bun")).exitCode).toBe(1);
  });
});

describe.skipIf(isWindows)("ensure_bun", () => {
  test("puts the folder of the Bun it found first on PATH", async () => {
    const inTools = await program(".tools/node_modules/.bin/bun", "7.8.9");
    await program("bin/bun", "7.8.10");
    expect((await sh("ensure_bun; command -v bun")).stdout).toBe(inTools);
  });

  test("installs it with npm where there is none, and throws a broken one away first", async () => {
    await program("bin/bun", "7.8.10");
    await program(".tools/node_modules/.bin/bun", "broken");
    await program("bin/node", "no install script here");
    const npm = `mkdir -p node_modules/.bin && [ ! -e node_modules/.bin/bun ] &&
      printf '#!/bin/sh\\necho 7.8.9 # %s\\n' '$*' >node_modules/.bin/bun && chmod +x node_modules/.bin/bun`;
    await Bun.write(join(checkout, "bin/npm"), `#!/bin/sh\n${npm.replace("'$*'", '"$*"')}\n`);
    await chmod(join(checkout, "bin/npm"), 0o755);
    const { stdout, exitCode } = await sh('ensure_bun; cat "$BUN"');
    expect(stdout).toContain("install --ignore-scripts --no-audit --no-fund --save-exact bun@7.8.9");
    expect(exitCode).toBe(0);
  });
});

describe.skipIf(isWindows)("test.sh", () => {
  const run = async (flag: string): Promise<{ exitCode: number; stdout: string; stderr: string }> =>
    sh(`sh "$ROOT/scripts/test.sh" ${flag}`);

  test("refuses an unknown flag before it sets anything up", async () => {
    expect(await run("--nope")).toEqual({
      exitCode: 64,
      stdout: "",
      stderr: 'Cannot run the tests: "--nope" is no flag of test.sh.\nTry scripts/test.sh --help.',
    });
  });

  test("explains its flags", async () => {
    const { stdout, exitCode } = await run("--help");
    expect(stdout).toContain("scripts/test.sh [--long] [--keep-going]");
    expect(exitCode).toBe(0);
  });
});
