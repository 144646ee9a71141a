import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { FleetError } from "../../base/errors.ts";

/** A remote's URL, taken apart as far as fleetd has to know it. */
export interface RemoteAddress {
  /** What git is given: the URL as typed, or the absolute path of a local folder. */
  readonly target: string;
  /** For people: without user, password and query. */
  readonly displayUrl: string;
  readonly transport: "file" | "http" | "ssh" | "other";
  /** The path of a file remote, else null. */
  readonly path: string | null;
  /** Texts that must not be shown, longest first. */
  readonly secrets: readonly string[];
}

/**
 * Takes apart what a user typed as the fleet's remote: URL, `host:path` or path.
 * @throws FleetError USAGE for an option, a control character, or a transport that runs commands
 */
export function parseRemoteAddress(url: string): RemoteAddress {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (url === "" || /[\u0000-\u001f\u007f]/.test(url)) {
    throw new FleetError("USAGE", "Cannot use the remote's URL: it is empty or has control characters");
  }
  if (url.startsWith("-")) {
    throw new FleetError("USAGE", `Cannot use the remote "${url}": it reads like an option`);
  }
  if (/^(?:ext|fd)::/i.test(url)) {
    throw new FleetError("USAGE", `Cannot use the remote "${url.slice(0, 5)}…": it would run a command`);
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined) return fromUrl(url, scheme);
  if (/^[a-z0-9]+::/i.test(url)) return plain(url, withoutUserinfo(url), "other");
  if (isScpLike(url)) return plain(url, url.replace(/^[^@:/]*@/, ""), "ssh");
  const path = resolve(url);
  return { target: path, displayUrl: path, transport: "file", path, secrets: [] };
}

/** The repository folder of a file remote as git looks for it: the path, with `/.git` or `.git` behind it. */
export function repositoryFolder(path: string): string {
  for (const suffix of ["/.git", "", ".git"]) {
    if (existsSync(`${path}${suffix}/HEAD`) && existsSync(`${path}${suffix}/objects`))
      return `${path}${suffix}`;
  }
  return path;
}

/** `text` without the credentials of the address. */
export function redact(text: string, address: RemoteAddress): string {
  return address.secrets.reduce((shown, secret) => shown.replaceAll(secret, "***"), text);
}

function fromUrl(url: string, scheme: string): RemoteAddress {
  if (scheme === "file") return fromFileUrl(url);
  if (scheme === "ssh" || scheme === "git+ssh" || scheme === "ssh+git") {
    return { ...plain(url, withoutUserinfo(url), "ssh"), secrets: secretsOf(url, false) };
  }
  const transport = scheme === "http" || scheme === "https" ? "http" : "other";
  const displayUrl = withoutUserinfo(url).replace(/[?#].*$/, "");
  return { ...plain(url, displayUrl, transport), secrets: secretsOf(url, true) };
}

function fromFileUrl(url: string): RemoteAddress {
  try {
    const path = fileURLToPath(url);
    return { target: url, displayUrl: url, transport: "file", path, secrets: [] };
  } catch (thrown) {
    throw badFileUrl(url, thrown);
  }
}

const badFileUrl = (url: string, cause: unknown): FleetError =>
  new FleetError("USAGE", `Cannot use the remote "${url}": it is no file URL with an absolute path`, {
    cause,
  });

const plain = (url: string, displayUrl: string, transport: RemoteAddress["transport"]): RemoteAddress => ({
  target: url,
  displayUrl,
  transport,
  path: null,
  secrets: [],
});

/** `host:path` as git tells it from a path: a colon before the first slash, and no drive letter. */
function isScpLike(url: string): boolean {
  const colon = url.indexOf(":");
  const slash = url.search(/[/\\]/);
  const isDrive = process.platform === "win32" && /^[a-z]:/i.test(url);
  return colon > 0 && !isDrive && (slash === -1 || colon < slash);
}

const USERINFO = /^((?:[a-z0-9+.-]+::)?[a-z0-9+.-]+:\/\/)([^/?#]*)@/i;

const withoutUserinfo = (url: string): string => url.replace(USERINFO, "$1");

/** A user name alone is secret where tokens are put there (http), not where it is `git` (ssh). */
function secretsOf(url: string, userIsSecret: boolean): string[] {
  const userinfo = USERINFO.exec(url)?.[2];
  if (userinfo === undefined) return [];
  const colon = userinfo.indexOf(":");
  const password = colon === -1 ? "" : userinfo.slice(colon + 1);
  const user = colon === -1 ? userinfo : userinfo.slice(0, colon);
  const secrets = [`${userinfo}@`, userinfo, password, userIsSecret && user.length >= 8 ? user : ""];
  const all = secrets.flatMap((secret) => [secret, decoded(secret)]).filter((secret) => secret !== "");
  const hidden = userIsSecret || colon !== -1 ? all : [];
  return [...new Set(hidden)].sort((one, other) => other.length - one.length);
}

/** The name and password in a URL, percent-decoded; null when it has no password. */
export function credentialsOf(url: string): { readonly user: string; readonly password: string } | null {
  const userinfo = USERINFO.exec(url)?.[2];
  const colon = userinfo?.indexOf(":") ?? -1;
  if (userinfo === undefined || colon === -1) return null;
  return { user: decoded(userinfo.slice(0, colon)), password: decoded(userinfo.slice(colon + 1)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray per cent sign: git takes it literally, too.
    return text;
  }
}
