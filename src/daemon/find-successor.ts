import { statSync } from "node:fs";
import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import { ownCommand } from "../platform/own-process.ts";
import { type OwnStart, readOwnStart } from "../platform/own-start.ts";
import { tryProgram } from "../platform/try-program.ts";

/** A start takes some 10 ms; a machine that swaps takes seconds. Chosen, not measured. */
const TRY_WITHIN_MS = 30_000;

/** The program that may take the place of the running one. */
export interface Successor {
  readonly start: OwnStart;
  readonly version: string;
  /** Whether the file is still the one that was tried. */
  isSame(): boolean;
}

/**
 * Looks at what stands now where this program was started from: it has to be fleetd, and to be content with the
 * configuration. `check`: the words that ask it about that.
 * @throws FleetError UNAVAILABLE where a running program cannot be replaced, BAD_INPUT when that is no fleetd, CONFIG
 */
export async function findSuccessor(check: readonly string[], signal: AbortSignal): Promise<Successor> {
  const start = ownStart();
  const words = [start.path, ...ownCommand().slice(1)];
  const limits = { timeoutMs: TRY_WITHIN_MS, signal };
  const stamp = stampOf(start.path);
  const version = versionIn(
    await tried("BAD_INPUT", start.path, tryProgram([...words, "--version", "--json"], limits)),
  );
  if (version === null) {
    throw new FleetError(
      "BAD_INPUT",
      `${cannotBecome(start.path)}: it does not say its version, fleetd is needed`,
    );
  }
  await tried("CONFIG", start.path, tryProgram([...words, ...check], limits));
  return { start, version, isSame: () => stamp !== null && stampOf(start.path) === stamp };
}

const cannotBecome = (path: string): string => `Cannot replace the monitor by "${path}"`;

/** What to do where it is not possible. */
const OTHERWISE =
  "Stop the monitor and start it again: services run on meanwhile, and the new one adopts them";

function ownStart(): OwnStart {
  if (process.platform !== "linux") {
    const state = `this is ${process.platform}, Linux is needed`;
    throw new FleetError("UNAVAILABLE", `Cannot replace the running monitor: ${state}`, { hint: OTHERWISE });
  }
  try {
    return readOwnStart();
  } catch (thrown) {
    const message = `Cannot replace the running monitor: ${messageOf(thrown)}`;
    throw causedBy("UNAVAILABLE", message, thrown, OTHERWISE);
  }
}

async function tried(code: "BAD_INPUT" | "CONFIG", path: string, run: Promise<string>): Promise<string> {
  try {
    return await run;
  } catch (thrown) {
    throw causedBy(code, `${cannotBecome(path)}: ${messageOf(thrown)}`, thrown);
  }
}

/** Null: another program said something else. */
function versionIn(stdout: string): string | null {
  try {
    const said: unknown = JSON.parse(stdout);
    if (typeof said !== "object" || said === null || !("schema" in said && "version" in said)) return null;
    return said.schema === "fleetd.version/1" && typeof said.version === "string" ? said.version : null;
  } catch {
    // Bun itself, or what is left of an executable that was cut, says its version without JSON.
    return null;
  }
}

function stampOf(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : [found.dev, found.ino, found.size, found.mtimeNs].join(":");
}
