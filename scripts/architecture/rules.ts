/** The folders of `src/`, each with the folders it may import: always downward, never back. */
export const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  cli: ["daemon", "http", "fleet", "resilience", "platform", "base"],
  library: ["daemon", "http", "fleet", "resilience", "platform", "base"],
  daemon: ["http", "fleet", "resilience", "platform", "base"],
  http: ["fleet", "resilience", "base"],
  fleet: ["resilience", "base"],
  resilience: ["base"],
  platform: ["base"],
  base: [],
};

/** The rooms of `fleet/` in the order data visits them: a room may import the model of an earlier one. */
export const ROOMS: readonly string[] = [
  "settings",
  "messaging",
  "supervisor",
  "registry",
  "plans",
  "metrics",
  "health",
  "reports",
];

/** The folders that decide and never act: no runtime modules, no chance, a unit test per file. */
export const PURE_FOLDERS: readonly string[] = ["base", "resilience", "fleet"];

/** Where each npm package may be imported: a folder (ends in `/`) or one file. A package not named has no home. */
export const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  "@valibot/to-json-schema": ["src/fleet/", "src/http/", "src/daemon/", "src/cli/"],
  citty: ["src/cli/"],
  ms: ["src/base/duration.ts"],
  valibot: ["src/fleet/", "src/http/", "src/daemon/", "src/cli/"],
  yaml: ["src/platform/"],
};

/** File and folder names, without extension, that say nothing about what is inside. */
export const EMPTY_NAMES: readonly string[] = ["common", "index", "types", "util", "utils"];

/** Files of the pure folders that need no unit test of their own: interfaces, tested by contract suites. */
export const NO_TWIN_NEEDED = "src/base/ports/";

/** Folders outside of `src/` whose runs a seed decides: they take chance from nowhere else. */
export const SEEDED_FOLDERS: readonly string[] = ["test/simulation/"];
