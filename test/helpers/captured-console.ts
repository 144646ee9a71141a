import { afterEach, beforeEach, spyOn } from "bun:test";

/** What was printed since the test began. */
export type CapturedConsole = { readonly stdout: () => string; readonly stderr: () => string };

/** Keeps what each test of this file prints, and gives the console back after it; call it at the top of the file. */
export function captureConsole(): CapturedConsole {
  let out: string[] = [];
  let error: string[] = [];
  let restore: () => void = () => undefined;
  beforeEach(() => {
    out = [];
    error = [];
    const spies = [
      spyOn(console, "log").mockImplementation((line) => void out.push(String(line))),
      spyOn(console, "error").mockImplementation((line) => void error.push(String(line))),
    ];
    restore = () => {
      for (const spy of spies) spy.mockRestore();
    };
  });
  afterEach(() => restore());
  return { stdout: () => out.join("\n"), stderr: () => error.join("\n") };
}
