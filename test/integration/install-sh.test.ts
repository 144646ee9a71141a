import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const isWindows = process.platform === "win32";
if (isWindows) console.log("skipped: install.sh, because Windows has install.ps1");

// What is downloaded once need not be downloaded again for the made-up home.
const packageCache = process.env["BUN_INSTALL_CACHE_DIR"] ?? join(homedir(), ".bun/install/cache");

let folder: string;
let checkout: string;

type Outcome = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** Runs install.sh of the small checkout as a user whose home is `folder`. */
async function install(words: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child = Bun.spawn(["sh", join(checkout, "install.sh"), ...words], {
    cwd: folder,
    env: {
      ...process.env,
      BUN_INSTALL_CACHE_DIR: packageCache,
      FLEETD_PREFIX: "",
      HOME: join(folder, "home"),
      PATH: [join(folder, "bin"), process.env["PATH"]].join(delimiter),
      ...env,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const stdout = await new Response(child.stdout).text();
  const stderr = await new Response(child.stderr).text();
  return { exitCode: await child.exited, stdout, stderr };
}

/** A folder to put first on PATH, with a git that says `version`. */
async function fakeGit(version: string): Promise<string> {
  const bin = join(folder, `git-${version.replaceAll(" ", "-")}`);
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "git"), `#!/bin/sh\necho "${version}"\n`);
  await chmod(join(bin, "git"), 0o755);
  return bin;
}

/** A checkout with the real installer and a program of three lines, and this very Bun as `bun` on PATH. */
beforeAll(async () => {
  if (isWindows) return;
  folder = await realpath(await mkdtemp(join(tmpdir(), "fleetd-install-")));
  checkout = join(folder, "checkout");
  await mkdir(join(folder, "bin"));
  await symlink(process.execPath, join(folder, "bin/bun"));
  const kept = ["install.sh", "package.json", "bun.lock", "bunfig.toml", "scripts", "src/base"];
  for (const name of kept) await cp(join(ROOT, name), join(checkout, name), { recursive: true });
  await Bun.write(
    join(checkout, "src/main.ts"),
    `declare const FLEETD_VERSION: string;
     console.log(process.argv[2] === "--version" ? FLEETD_VERSION : \`ran \${process.argv[2]}\`);`,
  );
});

afterAll(() => isWindows || rm(folder, { recursive: true, force: true }));

describe.skipIf(isWindows)("install.sh installs", () => {
  test("the executable, and says which, where and how to go on", async () => {
    const { version } = await Bun.file(join(ROOT, "package.json")).json();
    const target = join(folder, "home/.local/bin/fleetd");
    const outcome = await install([]);
    expect(outcome.stdout).toBe(
      `Installed fleetd ${version} as ${target}.\nGo on with "fleetd quickstart", or see "fleetd --help".\n`,
    );
    expect(outcome.stderr).toContain(`Warning: ${dirname(target)} is not on PATH.`);
    expect(outcome.exitCode).toBe(0);
    expect(await readdir(dirname(target))).toEqual(["fleetd"]);
  });

  test("to --prefix by rename, and runs quickstart at the end", async () => {
    const bin = join(folder, "prefix/bin");
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, "fleetd"), "the old one");
    const before = await stat(join(bin, "fleetd"));
    const outcome = await install(["--prefix", "prefix", "--quickstart"], {
      PATH: [bin, join(folder, "bin"), process.env["PATH"]].join(delimiter),
    });
    expect(outcome.stdout).toEndWith(`${join(bin, "fleetd")}.\nran quickstart\n`);
    expect(outcome.stderr).not.toContain("Warning");
    expect((await stat(join(bin, "fleetd"))).ino).not.toBe(before.ino);
    expect(await readdir(bin)).toEqual(["fleetd"]);
  });

  test("to FLEETD_PREFIX, and takes it away again with --uninstall", async () => {
    const prefix = join(folder, "elsewhere");
    const target = join(prefix, "bin/fleetd");
    await Bun.write(target, "installed before");
    const gone = await install(["--uninstall"], { FLEETD_PREFIX: prefix });
    expect(gone.stdout).toBe(`Removed ${target}. Settings and state were left alone.\n`);
    const again = await install(["--uninstall"], { FLEETD_PREFIX: prefix });
    expect(again).toEqual({ exitCode: 0, stdout: `Nothing to do: there is no ${target}.\n`, stderr: "" });
  });
});

describe.skipIf(isWindows)("install.sh refuses", () => {
  test.each([
    ["--quikstart", "Did you mean --quickstart?"],
    ["--perfix", "Did you mean --prefix DIR?"],
    ["--remove", "Did you mean --uninstall?"],
    ["--fast", "Try ./install.sh --help."],
  ])("the unknown flag %s with a suggestion", async (flag, suggestion) => {
    const stderr = `Cannot install: "${flag}" is no flag of install.sh.\n${suggestion}\n`;
    expect(await install([flag])).toEqual({ exitCode: 64, stdout: "", stderr });
  });

  test.each([[["--prefix"]], [["--prefix", ""]], [["--quickstart", "--uninstall"]]])(
    "the words %j",
    async (words) => expect((await install(words)).exitCode).toBe(64),
  );

  test.each([
    ["git version 2.24.9", "git is version 2.24, 2.25 or later is needed"],
    ["git version 1.99.0", "git is version 1.99, 2.25 or later is needed"],
    ["something else", "names no version"],
  ])("a git that says %j", async (version, reason) => {
    const path = [await fakeGit(version), process.env["PATH"]].join(delimiter);
    const outcome = await install([], { PATH: path });
    expect(outcome.stderr).toContain(reason);
    expect(outcome.exitCode).toBe(69);
  });

  test("a folder that cannot be made", async () => {
    await writeFile(join(folder, "a-file"), "");
    const outcome = await install(["--prefix", join(folder, "a-file")]);
    expect(outcome.stderr).toStartWith(`Cannot install to ${join(folder, "a-file/bin")}: `);
    expect(outcome.exitCode).toBe(73);
  });

  test("to work outside of a checkout", async () => {
    const lonely = join(folder, "lonely");
    await cp(join(ROOT, "install.sh"), join(lonely, "install.sh"));
    const child = Bun.spawn(["sh", join(lonely, "install.sh")], { stdout: "pipe", stderr: "pipe" });
    expect(await new Response(child.stderr).text()).toContain(`${lonely} is not a checkout of fleetd`);
    expect(await child.exited).toBe(69);
  });

  test("a program that does not build, and leaves the installed one alone", async () => {
    const target = join(folder, "kept/bin/fleetd");
    await Bun.write(target, "still here");
    const main = join(checkout, "src/main.ts");
    const good = await readFile(main, "utf8");
    await writeFile(main, 'import "./gone.ts";');
    const outcome = await install(["--prefix", join(folder, "kept")]);
    await writeFile(main, good);
    expect(outcome.stderr).toContain("Cannot build fleetd: see above.");
    expect(outcome.exitCode).toBe(70);
    expect(await readFile(target, "utf8")).toBe("still here");
  });
});

test.skipIf(isWindows)("install.sh --help names every flag", async () => {
  const { stdout, exitCode } = await install(["--help"]);
  for (const flag of ["--prefix", "--quickstart", "--uninstall", "--help"]) expect(stdout).toContain(flag);
  expect(exitCode).toBe(0);
});
