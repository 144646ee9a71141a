/**
 * Walking through the own log as it was fetched. A log may hold a million entries and anybody can put it there once more,
 * so nothing is kept of what is known, and of the rest only what taking it over needs.
 */
import type { Database } from "../../base/ports/database.ts";
import type { AcceptedLine, Chain } from "./accept-batch.ts";
import { keysOfLog } from "./former-keys.ts";
import {
  type AcceptedBatch,
  firstClaim,
  type JudgePorts,
  judgeBatches,
  type ReadBatch,
} from "./judge-log.ts";
import { readInChunks } from "./log-chunks.ts";

type WalkPorts = JudgePorts & { readonly state: Database };

/** One batch of the own log. Of messages it has neither text nor labels nor attachments. */
export interface OwnBatch {
  readonly commit: string;
  readonly chain: Chain;
  readonly lines: readonly Pick<AcceptedLine, "seq" | "epoch" | "parsed">[];
}

/** Which batches are kept: those behind the line of this hash, where the log comes to it, or all of them. */
export type Keep = "all" | "none" | { readonly after: string };

/**
 * What of a log is ours. `isMet`: the log comes to the line that was asked for; `pin`: the key of somebody else that the
 * log is of instead.
 */
export interface OwnWalk {
  readonly first: OwnBatch | null;
  readonly last: { readonly commit: string; readonly chain: Chain } | null;
  readonly isMet: boolean;
  readonly kept: readonly OwnBatch[];
  readonly pin: string | null;
}

/** What of a log is ours from its very beginning. */
export async function walkFromStart(
  ports: WalkPorts,
  commits: readonly string[],
  keep: Keep,
): Promise<OwnWalk> {
  const { publicKey } = ports.identity;
  const mine = await walkOwnLog(ports, commits, { known: { publicKey, epoch: "", seq: 0, hash: "" }, keep });
  if (mine.last !== null) return mine;
  const claimed = await walkOwnLog(ports, commits, { known: null, keep: "none" });
  // A log may have begun with a key that ours followed.
  const isOurs = claimed.last?.chain.publicKey === publicKey;
  if (!isOurs) return { ...mine, pin: claimed.pin };
  return { ...(await walkOwnLog(ports, commits, { known: null, keep })), pin: null };
}

/** What of a log is ours behind a known place; `known` null: it may be of any key. */
export async function walkOwnLog(
  ports: WalkPorts,
  commits: readonly string[],
  { known, keep }: { readonly known: Chain | null; readonly keep: Keep },
): Promise<OwnWalk> {
  const kept = new Keeper(keep);
  let chain = known;
  let pin: string | null = null;
  for await (const batches of readInChunks(ports, commits)) {
    if (chain === known && chain?.seq === 0) chain = fromFirstKey(ports, chain, batches);
    const judged = await judgeBatches(ports, ports.identity.server, { batches, known: chain });
    for (const batch of judged.accepted) kept.take(batch);
    pin ??= judged.pin;
    chain = chain === null && judged.chain.seq === 0 ? null : judged.chain;
  }
  return { ...kept.result(), pin };
}

class Keeper {
  readonly #after: string | null;
  readonly #kept: OwnBatch[] = [];
  #isKeeping: boolean;
  #isMet = false;
  #first: OwnBatch | null = null;
  #last: OwnWalk["last"] = null;

  constructor(keep: Keep) {
    this.#isKeeping = keep === "all";
    this.#after = typeof keep === "string" ? null : keep.after;
  }

  take(batch: AcceptedBatch): void {
    const { commit, chain } = batch;
    this.#first ??= withoutTexts(batch);
    this.#last = { commit, chain };
    if (this.#isKeeping) this.#kept.push(withoutTexts(batch));
    if (chain.hash !== this.#after) return;
    this.#isMet = true;
    this.#isKeeping = true;
  }

  result(): Omit<OwnWalk, "pin"> {
    return { first: this.#first, last: this.#last, isMet: this.#isMet, kept: this.#kept };
  }
}

function withoutTexts({ commit, chain, lines }: AcceptedBatch): OwnBatch {
  return {
    commit,
    chain,
    lines: lines.map(({ seq, epoch, parsed }) => {
      if (parsed.status !== "entry" || parsed.entry.type !== "message") return { seq, epoch, parsed };
      const { labels: _, attachments: __, ...rest } = parsed.entry;
      return { seq, epoch, parsed: { ...parsed, entry: { ...rest, subject: "", body: "" } } };
    }),
  };
}

/** A log is read from its start with the key that it begins with, where that was an own one. */
function fromFirstKey({ state, identity }: WalkPorts, chain: Chain, batches: readonly ReadBatch[]): Chain {
  const claim = firstClaim(batches);
  const isOwn = claim !== null && keysOfLog(state, identity.server).includes(claim);
  return isOwn ? { ...chain, publicKey: claim } : chain;
}
