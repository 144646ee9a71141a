/**
 * A second copy of who this server is, in a file of its own: without it a lost `state.db` would take along the address of
 * the remote, and with that the way to everything that could be made again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Identity } from "../fleet/messaging/identity.ts";
import { removeEmptyFolder, replaceFile } from "../platform/files.ts";

const FILE = "identity.json";

/** Writes the copy where it is missing or says something else. @throws FleetError IO */
export function keepIdentityCopy(folder: string, identity: Identity): void {
  const text = `${JSON.stringify(identity)}\n`;
  const path = join(folder, FILE);
  if (readText(path) === text) return;
  removeEmptyFolder(path);
  replaceFile(path, text);
}

/** The copy, null where there is none that can be read. */
export function findIdentityCopy(folder: string): Identity | null {
  try {
    const value: unknown = JSON.parse(readText(join(folder, FILE)) ?? "null");
    return isIdentity(value) ? value : null;
  } catch {
    // Damaged as well.
    return null;
  }
}

function isIdentity(value: unknown): value is Identity {
  if (typeof value !== "object" || value === null) return false;
  const texts = ["server", "fleet", "namespace", "format", "remoteUrl", "publicKey", "epoch"];
  const fields = value as Record<string, unknown>;
  return (
    texts.every((name) => typeof fields[name] === "string") && typeof fields["createdWallMs"] === "number"
  );
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there yet, or no file.
    return null;
  }
}
