import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const FIXTURE = join(import.meta.dir, "../../helpers/fixtures/colour.ts");
const COLUMNS = 100;
const RED = "\u001B[31mdown\u001B[39m";
const isPosix = process.platform !== "win32";

// The environment without whatever the machine that runs the tests says about colours.
function environment(extra: Record<string, string> = {}): Record<string, string | undefined> {
  return { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, TERM: "xterm", ...extra };
}

async function throughPipe(words: readonly string[], extra?: Record<string, string>): Promise<string> {
  const child = Bun.spawn([process.execPath, FIXTURE, ...words], { stdout: "pipe", env: environment(extra) });
  return (await new Response(child.stdout).text()).trim();
}

async function onTerminal(extra?: Record<string, string>): Promise<string> {
  const decoder = new TextDecoder();
  const line = Promise.withResolvers<string>();
  let printed = "";
  const data = (_: unknown, bytes: Uint8Array): void => {
    printed += decoder.decode(bytes);
    if (printed.includes("\n")) line.resolve(printed.trim());
  };
  const child = Bun.spawn([process.execPath, FIXTURE], {
    env: environment(extra),
    terminal: { cols: COLUMNS, rows: 24, data },
  });
  await child.exited;
  const text = await line.promise;
  child.terminal?.close();
  return text;
}

describe("openStyle() and terminalWidth()", () => {
  test("openStyle() prints no colour into a pipe, and terminalWidth() is 80 there", async () => {
    expect(await throughPipe([])).toBe("down 80");
  });

  test("openStyle() follows --color and FORCE_COLOR into a pipe", async () => {
    expect(await Promise.all([throughPipe(["--color"]), throughPipe([], { FORCE_COLOR: "1" })])).toEqual([
      `${RED} 80`,
      `${RED} 80`,
    ]);
  });

  test.if(isPosix)("openStyle() colours a terminal, and terminalWidth() is its own", async () => {
    expect(await onTerminal()).toBe(`${RED} ${COLUMNS}`);
  });

  test.if(isPosix)("openStyle() follows NO_COLOR on a terminal", async () => {
    expect(await onTerminal({ NO_COLOR: "1" })).toBe(`down ${COLUMNS}`);
  });
});
