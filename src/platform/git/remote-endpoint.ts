import type { RemoteAddress } from "./remote-address.ts";

/** Where a remote is reached over a network. `host` as written in the address: a name, or an address without brackets. */
export interface RemoteEndpoint {
  readonly host: string;
  /** Null where the address names none and only the user's ssh configuration knows. */
  readonly port: number | null;
  readonly user: string | null;
  readonly kind: "http" | "https" | "git" | "ssh";
}

const PORTS = { http: 80, https: 443, git: 9418, ssh: null } as const;
const KINDS: Readonly<Record<string, RemoteEndpoint["kind"]>> = {
  "http:": "http",
  "https:": "https",
  "git:": "git",
  "ssh:": "ssh",
  "git+ssh:": "ssh",
  "ssh+git:": "ssh",
};

/** The host and port of an address; null for a folder and for transports that only git knows. */
export function endpointOf(address: RemoteAddress): RemoteEndpoint | null {
  if (address.transport === "file") return null;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(address.target)) return ofUrl(address.target);
  return address.transport === "ssh" ? ofScp(address.target) : null;
}

function ofUrl(target: string): RemoteEndpoint | null {
  if (!URL.canParse(target)) return null;
  const url = new URL(target);
  const kind = KINDS[url.protocol];
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (kind === undefined || host === "") return null;
  const port = url.port === "" ? PORTS[kind] : Number(url.port);
  return { host, port, user: url.username === "" ? null : url.username, kind };
}

/** `user@host:path`, with brackets around an address that has colons. */
function ofScp(target: string): RemoteEndpoint | null {
  const found = /^(?:([^@:/]*)@)?(?:\[([^\]]+)\]|([^:/@]+)):/.exec(target);
  const host = found?.[2] ?? found?.[3];
  if (host === undefined) return null;
  return { host, port: null, user: found?.[1] ?? null, kind: "ssh" };
}
