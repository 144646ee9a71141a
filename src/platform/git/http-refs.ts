import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { ByteReader } from "../byte-reader.ts";
import { lsRefsRequest, type Packet, parsePackets } from "./pkt-line.ts";
import { credentialsOf } from "./remote-address.ts";
import { parseRetryAfter } from "./retry-after.ts";

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const FORMATS: readonly ObjectFormat[] = ["sha1", "sha256"];

/** Refs of the remote and its object format. */
export interface ListedRefs {
  readonly refs: Map<string, string>;
  readonly format: ObjectFormat | null;
}

/** The host asked to be left alone for so long; 0: it did not say how long. */
export interface Limited {
  readonly status: number;
  readonly retryAfterMs: number;
}

const TOO_MANY_REQUESTS = 429;
const UNAVAILABLE = 503;

/**
 * Asks a smart HTTP server for refs without git: protocol version 2, one POST on a connection that is kept alive.
 * Knows the plain case only; whoever calls goes on with git after any other answer.
 */
export class HttpRefs {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  #capabilities: readonly string[] | null = null;

  /** `url`: http or https, credentials inside are used. */
  constructor(url: string) {
    const bare = new URL(url);
    bare.username = "";
    bare.password = "";
    this.#url = bare.href.replace(/\/$/, "");
    const credentials = credentialsOf(url);
    const basic =
      credentials === null
        ? ""
        : Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
    this.#headers = {
      "git-protocol": "version=2",
      "user-agent": "git/fleetd",
      ...(credentials === null ? {} : { authorization: `Basic ${basic}` }),
    };
  }

  /** Refs that start with one of `prefixes`; `unexpected`: answered in another way; `unreachable`: no answer. */
  async list(
    prefixes: readonly string[],
    signal: AbortSignal,
  ): Promise<ListedRefs | Limited | "unexpected" | "unreachable"> {
    try {
      this.#capabilities ??= await this.#advertised(signal);
      if (this.#capabilities === null) return "unexpected";
      return (await this.#listRefs(prefixes, this.#capabilities, signal)) ?? "unexpected";
    } catch (thrown) {
      if (thrown instanceof TooManyRequests) {
        return { status: thrown.status, retryAfterMs: thrown.retryAfterMs };
      }
      // Refused, reset, certificate, deadline: git meets the same and words it for the operator.
      return "unreachable";
    }
  }

  async #advertised(signal: AbortSignal): Promise<readonly string[] | null> {
    const packets = await this.#exchange("/info/refs?service=git-upload-pack", null, signal);
    const lines = textsOf(packets ?? []);
    const hasListing = lines.some((line) => line === "ls-refs" || line.startsWith("ls-refs="));
    return lines.includes("version 2") && hasListing ? lines : null;
  }

  async #listRefs(
    prefixes: readonly string[],
    capabilities: readonly string[],
    signal: AbortSignal,
  ): Promise<ListedRefs | null> {
    const format = capabilities.find((line) => line.startsWith("object-format=")) ?? null;
    const request = lsRefsRequest(prefixes, format === null ? [] : [format]);
    const packets = await this.#exchange("/git-upload-pack", request, signal);
    if (packets?.at(-1)?.kind !== "flush") return null;
    const refs = new Map<string, string>();
    for (const line of textsOf(packets)) {
      const match = /^([0-9a-f]{40}|[0-9a-f]{64}) (refs\/\S+)(?: |$)/.exec(line);
      if (match?.[1] === undefined || match[2] === undefined) return null;
      const name = match[2];
      // A server may send more than it was asked for.
      if (prefixes.some((prefix) => name.startsWith(prefix))) refs.set(name, match[1]);
    }
    const named = format?.slice("object-format=".length) ?? "sha1";
    return { refs, format: FORMATS.find((known) => known === named) ?? null };
  }

  async #exchange(path: string, body: string | null, signal: AbortSignal): Promise<Packet[] | null> {
    const isPost = body !== null;
    const kind = isPost
      ? "application/x-git-upload-pack-result"
      : "application/x-git-upload-pack-advertisement";
    const response = await fetch(`${this.#url}${path}`, {
      method: isPost ? "POST" : "GET",
      headers: isPost
        ? { ...this.#headers, accept: kind, "content-type": "application/x-git-upload-pack-request" }
        : { ...this.#headers, accept: kind },
      body,
      redirect: "manual",
      signal,
    });
    const retryAfter = response.headers.get("retry-after");
    if (response.status === TOO_MANY_REQUESTS || (response.status === UNAVAILABLE && retryAfter !== null)) {
      await response.body?.cancel();
      throw new TooManyRequests(response.status, retryAfter);
    }
    if (response.status !== 200 || response.headers.get("content-type") !== kind || response.body === null) {
      await response.body?.cancel();
      return null;
    }
    return readPackets(new ByteReader(response.body));
  }
}

/** How an answer leaves the depth of an exchange that it ends. */
class TooManyRequests extends Error {
  readonly retryAfterMs: number;
  readonly status: number;
  constructor(status: number, retryAfter: string | null) {
    super("too many requests");
    this.status = status;
    this.retryAfterMs = parseRetryAfter(retryAfter, Date.now());
  }
}

async function readPackets(reader: ByteReader): Promise<Packet[] | null> {
  let tooLong = false;
  const bytes = await reader.rest(ANSWER_BYTES_MAX, () => {
    tooLong = true;
    void reader.cancel();
  });
  return tooLong ? null : parsePackets(bytes);
}

const textsOf = (packets: readonly Packet[]): string[] =>
  packets.flatMap((packet) => (packet.kind === "line" ? [packet.text] : []));
