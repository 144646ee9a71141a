// A PowerShell parser for machines without PowerShell: the tree-sitter grammar as wasm. It judges syntax only, nothing
// about commands, versions or behaviour. Its packages belong to no part of fleetd, so they are installed on demand,
// from the lockfile beside this file, into a temporary folder.
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, ok, type Result } from "../../../src/base/result.ts";

/** Lists the places of `text` that are not PowerShell, as `line:column what`; empty when all of it is. */
export type FindSyntaxErrors = (text: string) => string[];

type SyntaxNode = {
  readonly isError: boolean;
  readonly isMissing: boolean;
  readonly hasError: boolean;
  readonly type: string;
  readonly startPosition: { readonly row: number; readonly column: number };
  readonly children: readonly SyntaxNode[];
};

/** Opens the parser, or says why there is none: its packages could not be installed. */
export async function openPowerShellParser(): Promise<Result<FindSyntaxErrors>> {
  const folder = await mkdtemp(join(tmpdir(), "fleetd-powershell-"));
  try {
    const problem = await installPackages(folder);
    return problem === undefined ? ok(await loadParser(folder)) : fail(problem);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function installPackages(folder: string): Promise<string | undefined> {
  for (const name of ["package.json", "bun.lock"])
    await copyFile(join(import.meta.dir, name), join(folder, name));
  const words = [process.execPath, "install", "--frozen-lockfile", "--ignore-scripts"];
  const child = Bun.spawn(words, { cwd: folder, stdout: "ignore", stderr: "pipe", timeout: 100_000 });
  const said = await new Response(child.stderr).text();
  if ((await child.exited) === 0) return undefined;
  return `the parser's packages cannot be installed: ${said.trim().split("\n").at(-1) ?? "no reason given"}`;
}

async function loadParser(folder: string): Promise<FindSyntaxErrors> {
  const { Parser, Language } = await import(Bun.resolveSync("web-tree-sitter", folder));
  await Parser.init();
  const grammar = join(folder, "node_modules/tree-sitter-powershell/tree-sitter-powershell.wasm");
  const parser = new Parser();
  parser.setLanguage(await Language.load(grammar));
  return (text) => describeErrors(parser.parse(text).rootNode);
}

function describeErrors(node: SyntaxNode): string[] {
  if (node.isError || node.isMissing) {
    const { row, column } = node.startPosition;
    return [`${row + 1}:${column + 1} ${node.isMissing ? `missing ${node.type}` : "not understood"}`];
  }
  return node.hasError ? node.children.flatMap(describeErrors) : [];
}
