import { existsSync } from "node:fs";
import { formatDuration } from "../../base/duration.ts";
import type { RemoteFailure } from "../../base/ports/git-remote.ts";
import type { GitOutcome } from "./git-process.ts";
import { type RemoteAddress, redact } from "./remote-address.ts";
import { parseRetryAfter } from "./retry-after.ts";

const DETAIL_LENGTH_MAX = 2000;

/** What git says of objects of its own repository; the remote then hears of nothing but the end of the connection. */
const LOCAL_DAMAGE =
  /^(?:error|fatal): (?:object file |loose object |packed object |bad object |bad tree object |unable to (?:read|parse|unpack|open object)|failed to read object|could not parse|could not read [0-9a-f]{40}|inflate:|garbage at end of loose|corrupt loose object|.*pack-objects died|.*revision walk setup failed|missing (?:blob|tree|commit) object|.*is corrupt)/im;

/** Whether git says that its own repository, and not the remote, is damaged. */
export const isLocalDamage = (stderr: string): boolean =>
  LOCAL_DAMAGE.test(stderr.replaceAll(/^remote: .*$/gm, ""));

/** git's words (LC_ALL=C) for each kind, asked in this order: the general ones are printed beside the precise ones. */
const SIGNS: readonly (readonly [RemoteFailure["kind"], RegExp])[] = [
  // The last is how a SHA-256 store reads the greeting of an empty SHA-1 remote.
  [
    "format-mismatch",
    /mismatched (?:algorithms|object format)|support this repository's hash algorithm|unexpected capabilities\^/,
  ],
  [
    "no-repository",
    /does not appear to be a git repository|repository .*not found|returned error: 404|not exported|no such repository|project you were looking for could not be found/i,
  ],
  [
    "unauthorised",
    /permission denied|authentication failed|host key verification failed|could not read (?:username|password)|terminal prompts disabled|returned error: 40[13]|access denied|not authori[sz]ed|permission to .* denied|service not enabled|dubious ownership/i,
  ],
  [
    "unreachable",
    /connection (?:refused|timed out|reset|closed)|could not resolve|unable to look up|no route to host|network is unreachable|unable to connect|failed to connect|couldn't connect|hung up|early eof|rpc failed|operation timed out|returned error: (?:5\d\d|429|408)|empty reply|ssl|unexpected disconnect|broken pipe|kex_exchange|transfer closed|could not read from remote|remote failure|unable to access/i,
  ],
];

/** How a git that spoke with a remote ended. `retryAfter`: that header of the last answer which had one. */
export type RemoteOutcome = GitOutcome & { readonly retryAfter?: string | null };

/** What a git that did not succeed says about the remote. Lines that the remote itself printed decide nothing. */
export function toRemoteFailure(
  outcome: RemoteOutcome,
  address: RemoteAddress,
  timeoutMs: number,
): RemoteFailure {
  const detail = ownWordsFirst(redact(outcome.stderr, address)).slice(0, DETAIL_LENGTH_MAX);
  // A git that was ended at its deadline has often said nothing.
  if (outcome.ended === "timeout") {
    return { kind: "timeout", detail: detail || `no answer within ${formatDuration(timeoutMs)}` };
  }
  if (outcome.ended === "aborted") return { kind: "timeout", detail: "Stopped before git had ended" };
  if (outcome.ended === "overflow") return { kind: "failed", detail: "The answer was too long" };
  const own = outcome.stderr.replaceAll(/^remote: .*$/gm, "");
  if (isLocalDamage(own)) return { kind: "failed", detail };
  const kind = SIGNS.find(([, sign]) => sign.test(own))?.[0] ?? "failed";
  const failure = { kind: address.path === null ? kind : fileKind(kind, address.path), detail };
  const retryAfter = outcome.retryAfter ?? null;
  const isLimited =
    /returned error: 429/.test(own) || (retryAfter !== null && /returned error: 503/.test(own));
  return isLimited ? { ...failure, retryAfterMs: parseRetryAfter(retryAfter, Date.now()) } : failure;
}

/** Lines of git's own that do not say why. */
const NO_REASON = /^error: (?:remote unpack failed|failed to push)/;

/** What the remote printed comes before git's verdict, and the first line is what people read. */
function ownWordsFirst(stderr: string): string {
  const rank = (line: string): number => (NO_REASON.test(line) ? 2 : Number(line.startsWith("remote: ")));
  const lines = stderr.trim().split("\n");
  return lines
    .toSorted((left, right) => rank(left) - rank(right))
    .join("\n")
    .trim();
}

/** A file remote whose folder is gone is a disk that is not mounted: it may come back. */
function fileKind(kind: RemoteFailure["kind"], path: string): RemoteFailure["kind"] {
  if (kind !== "no-repository" && kind !== "unreachable") return kind;
  return existsSync(path) || existsSync(`${path}.git`) ? kind : "unreachable";
}
