// Fails when a file stands, imports or is tested otherwise than the house allows. See scripts/architecture/rules.ts.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkArchitecture, formatViolation, type Project } from "./architecture/check.ts";
import { findCitations, readSource } from "./architecture/source.ts";

/** What stands at the root and is installed, built or git's own. */
const IGNORED = ["node_modules", "dist", ".git", ".tools"];

/** Papers that speak of files that were, or of somebody else's. */
const UNCHECKED_PAPERS = ["CHANGELOG.md"];

/** Reads the project at `root` as the rules want it. */
export function readProject(root: string): Project {
  const files = readdirSync(root, { withFileTypes: true })
    .filter(({ name }) => !IGNORED.includes(name))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(root, entry.name) : [entry.name]));
  const textOf = (path: string): string => readFileSync(join(root, path), "utf8");
  const sources = files
    .filter((path) => /^(?:src|scripts|test)\/.*\.ts$/.test(path))
    .map((path) => readSource(path, textOf(path)));
  const papers = files
    .filter((path) => path.endsWith(".md") && !UNCHECKED_PAPERS.includes(path))
    .map((path) => ({ path, citations: findCitations(linesOf(textOf(path))) }));
  return { files, sources, papers };
}

const filesBelow = (root: string, folder: string): string[] =>
  [...new Bun.Glob(`${folder}/**/*`).scanSync({ cwd: root, dot: true })].map((path) =>
    path.replaceAll("\\", "/"),
  );

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
