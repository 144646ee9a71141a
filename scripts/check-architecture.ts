// Fails when a file stands, imports or is tested otherwise than the house allows. See scripts/architecture/rules.ts.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkArchitecture, formatViolation, type Project } from "./architecture/check.ts";
import { findCitations, readSource } from "./architecture/source.ts";

/** Folders that are not ours, or not kept. */
const IGNORED = /(?:^|\/)(?:node_modules|dist|\.git|\.tools)\//;

/** Papers that speak of files that were, or of somebody else's. */
const UNCHECKED_PAPERS = ["CHANGELOG.md"];

/** Reads the project at `root` as the rules want it. */
export function readProject(root: string): Project {
  const files = [...new Bun.Glob("**/*").scanSync({ cwd: root, dot: true })]
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => !IGNORED.test(path));
  const textOf = (path: string): string => readFileSync(join(root, path), "utf8");
  const sources = files
    .filter((path) => /^(?:src|scripts|test)\/.*\.ts$/.test(path))
    .map((path) => readSource(path, textOf(path)));
  const papers = files
    .filter((path) => path.endsWith(".md") && !UNCHECKED_PAPERS.includes(path))
    .map((path) => ({ path, citations: findCitations(linesOf(textOf(path))) }));
  return { files, sources, papers };
}

const linesOf = (text: string): { text: string; line: number }[] =>
  text.split("\n").map((line, index) => ({ text: line, line: index + 1 }));

if (import.meta.main) {
  const project = readProject(join(import.meta.dir, ".."));
  const violations = checkArchitecture(project);
  for (const violation of violations) console.log(formatViolation(violation));
  const checked = `${project.sources.length} sources and ${project.papers.length} papers`;
  console.log(violations.length === 0 ? `${checked}: no violation` : `${violations.length} violations`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
