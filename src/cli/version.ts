// Written into the executable by the build; a run from source has none.
declare const FLEETD_VERSION: string;

/** The version from package.json, or `"0.0.0-dev"` when run from source. */
export const VERSION = typeof FLEETD_VERSION === "string" ? FLEETD_VERSION : "0.0.0-dev";

const ASKING = new Set(["--version", "-v", "version"]);

/**
 * Answers `fleetd --version`, `-v` or `version`, with or without `--json`; returns whether `argv` asked for it.
 * It stands alone so that the door can answer before anything is loaded: the promise about start-up is kept here.
 */
export function printVersion(argv: readonly string[]): boolean {
  const words = argv.filter((word) => word !== "--json");
  if (words.length !== 1 || !ASKING.has(words[0] ?? "")) return false;
  const asJson = words.length < argv.length;
  console.log(asJson ? JSON.stringify({ schema: "fleetd.version/1", version: VERSION }) : VERSION);
  return true;
}
