import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openPowerShellParser } from "../lab/ps/power-shell.ts";

const script = await readFile(join(import.meta.dir, "../../install.ps1"), "utf8");
const parser = await openPowerShellParser();
const findErrors = parser.ok ? parser.value : () => [];
if (!parser.ok) console.log(`skipped: the syntax of install.ps1, because ${parser.error}`);

test.skipIf(!parser.ok)("install.ps1 is PowerShell", () => {
  expect(findErrors(script)).toEqual([]);
});

test.skipIf(!parser.ok).each([
  ["a brace that is never closed", /\n}\n/, "\n\n"],
  ["a quote that is never closed", "'Continue'", "'Continue"],
  ["a try without its block", "try {", "try"],
])("the check of install.ps1 notices %s", (_name, place, replacement) => {
  const broken = script.replace(place, replacement);
  expect(broken).not.toBe(script);
  expect(findErrors(broken)).not.toEqual([]);
});

test("install.ps1 is ASCII: PowerShell 5.1 reads a file without a mark in the code page of the machine", () => {
  expect(script).toMatch(/^[\n\x20-\x7e]*$/);
});
