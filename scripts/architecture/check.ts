// The rules that hold the house together, applied to a project given as plain values. Each rule is one function from
// a source file to its violations, so a rule is added or dropped in one place; the tables stand in rules.ts.
import { posix } from "node:path";
import {
  EMPTY_NAMES,
  FOLDERS,
  NO_TWIN_NEEDED,
  PACKAGE_HOMES,
  PURE_FOLDERS,
  ROOMS,
  SEEDED_FOLDERS,
} from "./rules.ts";
import type { Citation, Import, Source } from "./source.ts";

/** One broken rule; `line` counts from 1. */
export type Violation = { readonly path: string; readonly line: number; readonly rule: string };

/** Prose outside the sources, such as `CONTRIBUTING.md`, with the files it names. */
export type Paper = { readonly path: string; readonly citations: readonly Citation[] };

/** Everything the rules look at. `files` are all paths of the project, relative to its root. */
export type Project = {
  readonly files: readonly string[];
  readonly sources: readonly Source[];
  readonly papers: readonly Paper[];
};

/** Every violation in `project`, ordered by path and line. */
export function checkArchitecture(project: Project): Violation[] {
  const house = project.sources.filter(({ path }) => path.startsWith("src/"));
  const files = new Set(project.files);
  const violations = [
    ...house.flatMap((source) => [
      ...checkPlace(source),
      ...checkChance(source),
      ...checkTwin(source, files),
    ]),
    ...project.sources.flatMap(checkSeeded),
    ...house.flatMap((source) => source.imports.flatMap((found) => checkImport(source.path, found))),
    ...project.files.flatMap(checkName),
    ...[...project.sources, ...project.papers].flatMap((paper) => checkCitations(paper, project.files)),
  ];
  return violations.sort((a, b) => a.path.localeCompare(b.path) || a.line - b.line);
}

/** `file:line rule`, as editors and terminals make it clickable. */
export const formatViolation = ({ path, line, rule }: Violation): string => `${path}:${line} ${rule}`;

const topOf = (path: string): string => path.split("/")[1] ?? "";
const isPure = (path: string): boolean => PURE_FOLDERS.includes(topOf(path));

/** The room of a file in `fleet/`, or `undefined` elsewhere. A file that stands in no room has the room `""`. */
function roomOf(path: string): string | undefined {
  const [, top, room, ...rest] = path.split("/");
  if (top !== "fleet") return undefined;
  return rest.length > 0 ? room : "";
}

function checkPlace({ path }: Source): Violation[] {
  const top = topOf(path);
  if (!Object.hasOwn(FOLDERS, top)) {
    return [
      { path, line: 1, rule: `src/${top} is no folder of the house: ${Object.keys(FOLDERS).join(", ")}` },
    ];
  }
  const room = roomOf(path);
  if (room === undefined || ROOMS.includes(room)) return [];
  return [{ path, line: 1, rule: `fleet/ has rooms only, and "${room}" is none: ${ROOMS.join(", ")}` }];
}

function checkImport(path: string, { specifier, line }: Import): Violation[] {
  const rule = specifier.startsWith(".") ? edgeRule(path, specifier) : packageRule(path, specifier);
  return rule === undefined ? [] : [{ path, line, rule }];
}

function edgeRule(path: string, specifier: string): string | undefined {
  const target = posix.join(posix.dirname(path), specifier);
  if (!target.startsWith("src/")) return `src/ imports nothing outside src/, found "${specifier}"`;
  const [from, to] = [topOf(path), topOf(target)];
  if (from === to) return roomRule(path, target);
  const allowed = FOLDERS[from] ?? [];
  if (allowed.includes(to)) return undefined;
  const may = allowed.length === 0 ? "nothing" : allowed.join(", ");
  return `${from} may import ${may}, found ${to} ("${specifier}")`;
}

function roomRule(path: string, target: string): string | undefined {
  const [from, to] = [roomOf(path), roomOf(target)];
  if (from === undefined || to === undefined || from === to) return undefined;
  const isEarlier = ROOMS.indexOf(to) < ROOMS.indexOf(from);
  if (isEarlier && target === `src/fleet/${to}/model.ts`) return undefined;
  return `a room may import only the model.ts of an earlier room, found ${target} in ${from}`;
}

function packageRule(path: string, specifier: string): string | undefined {
  if (specifier === "bun" || /^(?:node|bun):/.test(specifier)) {
    return isPure(path) ? `${topOf(path)}/ takes ports instead of the runtime's "${specifier}"` : undefined;
  }
  const segments = specifier.split("/");
  const name = segments.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  const homes = Object.hasOwn(PACKAGE_HOMES, name) ? (PACKAGE_HOMES[name] ?? []) : [];
  if (homes.some((home) => (home.endsWith("/") ? path.startsWith(home) : path === home))) return undefined;
  const where =
    homes.length === 0 ? "no home yet: name one in scripts/architecture/rules.ts" : homes.join(", ");
  return `the package "${name}" has ${homes.length === 0 ? where : `its home in ${where}`}`;
}

const checkChance = ({ path, chanceLines }: Source): Violation[] =>
  isPure(path)
    ? chanceLines.map((line) => ({ path, line, rule: "the core takes a Random port instead of Math.random" }))
    : [];

const checkSeeded = ({ path, chanceLines }: Source): Violation[] =>
  SEEDED_FOLDERS.some((folder) => path.startsWith(folder))
    ? chanceLines.map((line) => ({ path, line, rule: "a simulation takes chance from its seed" }))
    : [];

function checkTwin({ path, hasBehaviour }: Source, files: ReadonlySet<string>): Violation[] {
  if (!isPure(path) || !hasBehaviour || path.startsWith(NO_TWIN_NEEDED)) return [];
  const twin = path.replace(/^src\//, "test/unit/").replace(/\.ts$/, ".test.ts");
  return files.has(twin) ? [] : [{ path, line: 1, rule: `no unit test: ${twin} is missing` }];
}

function checkName(path: string): Violation[] {
  if (!path.startsWith("src/")) return [];
  const found = path.split("/").find((segment) => EMPTY_NAMES.includes(segment.replace(/\.tsx?$/, "")));
  return found === undefined ? [] : [{ path, line: 1, rule: `"${found}" says nothing: name what is inside` }];
}

/** A citation holds when some file's path is it or ends in it: `rules.ts`, `architecture/rules.ts`. */
function checkCitations({ path, citations }: Paper, files: readonly string[]): Violation[] {
  const exists = (name: string): boolean => files.some((file) => file === name || file.endsWith(`/${name}`));
  return citations
    .map(({ name, line }) => ({ name: name.replace(/^(?:\.{1,2}\/)+/, ""), line }))
    .filter(({ name }) => !exists(name))
    .map(({ name, line }) => ({ path, line, rule: `cites "${name}", and there is no such file` }));
}
