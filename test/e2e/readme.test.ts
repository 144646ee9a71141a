import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandBlocks, isInstallation, type MarkdownBlock, parseBlocks } from "../helpers/readme-blocks.ts";
import { FLEETD, TempFleet } from "../helpers/temp-fleet.ts";
import { processesWithVariable } from "../helpers/temp-git.ts";

const README = join(import.meta.dir, "../../README.md");
const BLOCK_TIMEOUT_MS = 60_000;
const isPosix = process.platform !== "win32";
if (!isPosix) console.log("skipped: the blocks of README.md: they are for a POSIX shell");

describe("parseBlocks()", () => {
  test("finds fences of both kinds, their language and line", () => {
    const markdown =
      "# T\n\n```sh\none\n```\n\n~~~~text more\n```\n~~~\n~~~~\n\n  ```\n  bare\n    in\n  ```\n";
    expect(parseBlocks(markdown)).toEqual([
      { language: "sh", text: "one", line: 4 },
      { language: "text", text: "```\n~~~", line: 8 },
      { language: "", text: "bare\n  in", line: 13 },
    ]);
  });

  test("refuses a block without an end", () => {
    expect(() => parseBlocks("```sh\nx\n")).toThrow("The block of line 2 has no end");
  });

  test("isInstallation() tells installing from using", () => {
    const block = (text: string): MarkdownBlock => ({ language: "sh", text, line: 1 });
    expect(isInstallation(block("./install.sh --prefix ~/.local"))).toBe(true);
    expect(isInstallation(block("curl -fsSL https://example.invalid/install.sh | sh"))).toBe(true);
    expect(isInstallation(block("fleetd quickstart"))).toBe(false);
  });
});

// The blocks are one session: variables, the working folder and daemons in the background live on from block to block.
describe("README.md", () => {
  const fleet = new TempFleet();
  const blocks = existsSync(README) ? commandBlocks(readFileSync(README, "utf8")) : [];
  const bin = fleet.git.path("bin");
  const session = fleet.git.path("session");
  const mark = `readme-${process.pid}-${Date.now()}`;

  beforeAll(() => {
    mkdirSync(bin);
    symlinkSync(FLEETD, join(bin, "fleetd"));
    writeFileSync(session, "");
  });
  afterAll(async () => {
    await fleet.endPids(processesWithVariable("FLEETD_README", mark));
    await fleet.remove();
  });

  test("has blocks that a reader types", () => {
    expect(existsSync(README)).toBe(true);
    expect(blocks.filter((block) => !isInstallation(block)).length).toBeGreaterThan(0);
  });

  for (const block of blocks) {
    const title = `line ${block.line}: ${block.text.split("\n")[0]}`;
    if (isInstallation(block)) {
      test(`${title} names a file that is here`, () => {
        const [name = ""] = /install\.(?:sh|ps1)/.exec(block.text) ?? [];
        expect(existsSync(join(import.meta.dir, "../..", name))).toBe(true);
      });
      continue;
    }
    test.skipIf(!isPosix)(title, async () => {
      const { code, output } = await runBlock(block);
      expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
    });
  }

  /** Runs a block in a shell that takes over variables and folder from the one before. */
  async function runBlock({ text }: MarkdownBlock): Promise<{ code: number; output: string }> {
    const log = fleet.git.path("output");
    // Only what reached a prompt would be seen by a reader, so the first command that fails ends the block.
    const script = `set -e\n. '${session}'\n${text}\n{ export -p; printf 'cd %s\\n' "'$PWD'"; } > '${session}'\n`;
    const child = Bun.spawn(["sh", "-c", script], {
      cwd: fleet.git.home,
      env: environment(),
      // A daemon in the background keeps its output open, so it goes to a file and not through a pipe.
      stdio: ["ignore", Bun.file(log), Bun.file(log)],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), BLOCK_TIMEOUT_MS);
    const code = await child.exited;
    clearTimeout(timer);
    return { code, output: existsSync(log) ? readFileSync(log, "utf8") : "" };
  }

  // As a reader's: the usual state folder below the home, no name of a server given.
  function environment(): Record<string, string> {
    const { FLEETD_HOME: _, ...rest } = fleet.environment;
    return { ...rest, PATH: `${bin}:${rest["PATH"]}`, FLEETD_README: mark };
  }
});
