/**
 * Whether the way to the configured remote is open: name, connection, TLS. No process is started (but `ssh -G` once),
 * nothing is said to the remote, and no address stands here: what is checked is what the user configured.
 */
import { messageOf } from "../base/errors.ts";
import type { CheckStage, NetworkCheck, NetworkReport } from "../base/ports/network-check.ts";
import { readRepositoryFormat } from "./git/bare-repository.ts";
import type { RemoteSource } from "./git/git-remote.ts";
import { parseRemoteAddress, type RemoteAddress, repositoryFolder } from "./git/remote-address.ts";
import { endpointOf, type RemoteEndpoint } from "./git/remote-endpoint.ts";
import { RemoteSettings } from "./git/remote-settings.ts";
import { askSshRoute } from "./git/ssh-route.ts";

/** Addresses of one name that are tried, all at the same time. Chosen: a name with both families has two. */
const ADDRESSES_MAX = 4;

/** Where to connect to, or why a connection would prove nothing. */
type Route =
  | { readonly kind: "direct"; readonly host: string; readonly port: number; readonly isTls: boolean }
  | { readonly kind: "skipped"; readonly why: string };

/** How long a stage may take, and what ends it early. */
interface Limits {
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The check of one remote. @throws FleetError USAGE when the URL cannot be one */
export function openNetworkCheck(source: RemoteSource): NetworkCheck {
  const address = parseRemoteAddress(source.url);
  const endpoint = endpointOf(address);
  let route: Promise<Route> | null = null;
  return {
    host: endpoint?.host ?? null,
    isNoticed: endpoint?.kind === "ssh",
    async check({ timeoutMs, signal }) {
      if (address.path !== null) return checkFolder(address.path);
      route ??= findRoute(address, endpoint, source);
      const way = await route;
      if (way.kind === "skipped") return skip(way.why);
      return await checkHost(way, { timeoutMs, signal, deadlineMs: performance.now() + timeoutMs });
    },
  };
}

const skip = (skipped: string): NetworkReport => ({
  ok: true,
  skipped,
  target: "",
  stages: [],
  failure: null,
});

async function findRoute(
  address: RemoteAddress,
  endpoint: RemoteEndpoint | null,
  source: RemoteSource,
): Promise<Route> {
  if (endpoint === null) return { kind: "skipped", why: "only git knows this kind of remote" };
  const settings = new RemoteSettings(address, source.storeFolder, source.environment);
  if (await settings.isRewritten())
    return { kind: "skipped", why: "git rewrites the address (url.insteadOf)" };
  const { kind, host, port } = endpoint;
  if (kind === "ssh") {
    const found = await askSshRoute(endpoint, await settings.environment());
    return found.kind === "direct" ? { ...found, isTls: false } : { kind: "skipped", why: found.why };
  }
  const isHttp = kind === "http" || kind === "https";
  if (isHttp && (await settings.hasProxy())) return { kind: "skipped", why: "a proxy is configured" };
  return { kind: "direct", host, port: port ?? 0, isTls: kind === "https" };
}

function checkFolder(path: string): NetworkReport {
  const startMs = performance.now();
  const folder = repositoryFolder(path);
  const problem = whyNoRepository(folder);
  const ok = problem === null;
  const detail = problem ?? folder;
  const stage: CheckStage = { name: "folder", ok, durationMs: performance.now() - startMs, detail };
  return {
    ok,
    skipped: null,
    target: folder,
    stages: [stage],
    failure: ok ? null : `Cannot use the remote: ${detail}`,
  };
}

/** Why git could not use `folder`; null where it could. */
function whyNoRepository(folder: string): string | null {
  try {
    return readRepositoryFormat(folder) === null ? `no git repository in "${folder}"` : null;
  } catch (thrown) {
    // There, and not to be read: git fails on it, too.
    return messageOf(thrown);
  }
}

async function checkHost(way: Extract<Route, { kind: "direct" }>, limits: Limits): Promise<NetworkReport> {
  const target = way.host.includes(":") ? `[${way.host}]:${way.port}` : `${way.host}:${way.port}`;
  const stages: CheckStage[] = [];
  const report = (failure: string | null): NetworkReport => ({
    ok: failure === null,
    skipped: null,
    target,
    stages,
    failure,
  });
  const found = await resolveName(way.host, limits);
  stages.push(found.stage);
  if (!found.stage.ok) return report(`Cannot find "${way.host}": ${found.stage.detail}`);
  const connected = await connectAny(found.addresses, way, limits);
  stages.push(...connected);
  const failed = connected.find((stage) => !stage.ok);
  if (failed === undefined) return report(null);
  return report(
    failed.name === "tcp"
      ? `Cannot connect to ${target}: ${failed.detail}`
      : `Cannot speak TLS with ${target}: ${failed.detail}`,
  );
}

async function resolveName(
  host: string,
  limits: Limits,
): Promise<{ readonly stage: CheckStage; readonly addresses: readonly string[] }> {
  const startMs = performance.now();
  const stage = (ok: boolean, detail: string): CheckStage => ({
    name: "dns",
    ok,
    durationMs: performance.now() - startMs,
    detail,
  });
  try {
    // Loaded here and not above: commands that never check do not pay for it.
    const { lookup } = await import("node:dns/promises");
    const found = await inTime(lookup(host, { all: true }), limits);
    const addresses = found.map(({ address }) => address).slice(0, ADDRESSES_MAX);
    return { stage: stage(addresses.length > 0, addresses.join(", ")), addresses };
  } catch (thrown) {
    return { stage: stage(false, wordsOf(thrown)), addresses: [] };
  }
}

/** The stages of the address that got furthest, the first one that got all the way if any did. */
async function connectAny(
  addresses: readonly string[],
  way: Extract<Route, { kind: "direct" }>,
  limits: Limits,
): Promise<readonly CheckStage[]> {
  const attempts = addresses.map((address) => connect(address, way, limits));
  const good = attempts.map(async (attempt) => {
    const stages = await attempt;
    return stages.every((stage) => stage.ok) ? stages : Promise.reject(new Error("not this address"));
  });
  // Rejected only when none is good: then what they met is told.
  const best = await Promise.any(good).catch(() => null);
  if (best !== null) return best;
  const all = await Promise.all(attempts);
  return all.toSorted((left, right) => right.length - left.length)[0] ?? [];
}

async function connect(
  address: string,
  way: Extract<Route, { kind: "direct" }>,
  limits: Limits,
): Promise<readonly CheckStage[]> {
  const startMs = performance.now();
  const stages: CheckStage[] = [];
  let isOver = false;
  const passed = (name: CheckStage["name"], ok: boolean, detail: string): void => {
    // Closing the socket ends its handshake, which is no news.
    if (isOver) return;
    const before = stages.reduce((total, stage) => total + stage.durationMs, 0);
    stages.push({ name, ok, durationMs: performance.now() - startMs - before, detail });
  };
  const done = Promise.withResolvers<void>();
  let socket: { terminate(): void } | null = null;
  const connecting = Bun.connect({
    hostname: address,
    port: way.port,
    // Whether the certificate is good is git's to judge, by its own authorities; nothing is sent here.
    ...(way.isTls ? { tls: { rejectUnauthorized: false, serverName: way.host } } : {}),
    socket: {
      open: () => {
        passed("tcp", true, address);
        if (!way.isTls) done.resolve();
      },
      handshake: (_socket, ok, error) => {
        passed("tls", ok, ok ? "" : (error?.message ?? "no TLS"));
        done.resolve();
      },
      data: () => undefined,
      close: () => done.reject(new Error("the connection was closed")),
      error: (_socket, error) => done.reject(error),
      connectError: (_socket, error) => done.reject(error),
    },
  }).then((opened) => {
    socket = opened;
  });
  try {
    await inTime(Promise.all([connecting, done.promise]), limits);
  } catch (thrown) {
    const name = stages.some((stage) => stage.name === "tcp") ? "tls" : "tcp";
    passed(name, false, wordsOf(thrown));
  } finally {
    isOver = true;
    // One that comes to be only after its deadline is closed, too.
    void connecting.then(() => socket?.terminate()).catch(() => undefined);
    done.promise.catch(() => undefined);
  }
  return stages;
}

const OVER = "over";

/** What `work` comes to, unless its time is over or somebody ends it. */
async function inTime<T>(work: Promise<T>, { deadlineMs, timeoutMs, signal }: Limits): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const onAbort = (): void => ended.reject(new Error("stopped"));
  const timer = setTimeout(() => ended.reject(new Error(OVER)), Math.max(0, deadlineMs - performance.now()));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, ended.promise]);
  } catch (thrown) {
    if (thrown instanceof Error && thrown.message === OVER) {
      throw new Error(`no answer within ${Math.round(timeoutMs)} ms`, { cause: thrown });
    }
    throw thrown;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    work.catch(() => undefined);
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ETIMEDOUT: "no answer",
  ENOTFOUND: "no such name",
  ENODATA: "the name has no address",
  EAI_AGAIN: "the name server does not answer",
  ETIMEOUT: "the name server does not answer",
  DNS_ENOTFOUND: "no such name",
};

function wordsOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  return WORDS[code] ?? messageOf(thrown);
}
