import { expect, test } from "bun:test";
import { join } from "node:path";
import { readProject } from "../../../scripts/check-architecture.ts";

const project = readProject(join(import.meta.dir, "../../.."));

test("readProject() reads the sources and papers of the project", () => {
  const paths = project.sources.map(({ path }) => path);
  expect(paths).toContain("scripts/architecture/check.ts");
  expect(paths).toContain("test/integration/scripts/check-architecture.test.ts");
  expect(project.papers.map(({ path }) => path)).toContain("CONTRIBUTING.md");
});

test("readProject() leaves out what is installed or built", () => {
  expect(project.files.filter((path) => /node_modules|^dist|^\.git\//.test(path))).toEqual([]);
});
