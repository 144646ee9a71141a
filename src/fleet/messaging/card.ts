/**
 * The card: the last value of a server's `state` ref. Who it is, how far its log goes, and how far it has read the
 * others, which is how senders learn that a message was seen.
 */
import * as v from "valibot";
import { fromUtf8, toUtf8 } from "../../base/bytes.ts";
import { isInstant } from "../../base/instant.ts";
import type { GitObject } from "../../base/ports/git-store.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { parseStrictJson } from "../../base/strict-json.ts";
import { type BatchTools, toObjects } from "./build-batch.ts";
import { type Cursor, FORMAT, LIMITS } from "./model.ts";
import { signSsh } from "./ssh-signature.ts";

const cursor = v.object({
  epoch: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  hash: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
});
const serverName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/));
const word = v.pipe(v.string(), v.maxLength(200));

const cardSchema = v.looseObject({
  v: v.literal(FORMAT),
  server: serverName,
  fleet: word,
  /** Rises with every card of a server; a reader takes no card with a lower or equal number. */
  n: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Random, new with every start of the server's daemon. */
  run: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  at: v.pipe(v.string(), v.check(isInstant, "not an instant")),
  version: word,
  public_key: word,
  capabilities: v.array(word),
  groups: v.array(serverName),
  health: v.looseObject({ status: word }),
  log: cursor,
  // Not `v.record`: it passes over a server that is called "constructor", neither checked nor kept.
  cursors: v.custom<Readonly<Record<string, Cursor>>>(areCursors, "not cursors by server"),
});

/** What a server says of itself; see the fields of the schema. `log` is the end of its log, `cursors` what it has read. */
export type Card = v.InferOutput<typeof cardSchema>;

/** Parses the bytes of `card.json` of `server`. */
export function parseCard(bytes: Uint8Array, server: string): Result<Card> {
  if (bytes.length > LIMITS.cardBytesMax) return fail("card over 64 KiB");
  const text = fromUtf8(bytes);
  if (text === null) return fail("card is not UTF-8");
  const json = parseStrictJson(text, LIMITS.jsonDepthMax);
  if (!json.ok) return json;
  const parsed = v.safeParse(cardSchema, json.value, { abortEarly: true });
  if (!parsed.success) {
    return fail(`card: ${v.getDotPath(parsed.issues[0]) ?? ""} ${parsed.issues[0].message.slice(0, 160)}`);
  }
  if (parsed.output.server !== server)
    return fail(`card is of "${parsed.output.server}", the ref of "${server}"`);
  // The schema changes nothing, and its copy would lack an unknown field that is called "constructor".
  return ok(json.value as Card);
}

const LABELS_MAX = 100;
const LABEL_LENGTH_MAX = 200;

/** The labels that a card has beside what it must have; what is no label is passed over. */
export function labelsOf(card: Card): ReadonlyMap<string, string> {
  const labels = card["labels"];
  if (typeof labels !== "object" || labels === null || Array.isArray(labels)) return new Map();
  const isShort = (text: unknown): text is string =>
    typeof text === "string" && text.length <= LABEL_LENGTH_MAX;
  const good = Object.entries(labels).flatMap(([name, value]): [string, string][] =>
    isShort(name) && isShort(value) ? [[name, value]] : [],
  );
  return new Map(good.slice(0, LABELS_MAX));
}

/** Ids of servers that a card says its server has forgotten; what is no list of ids says nothing. */
export function forgottenBy(card: Card): readonly string[] {
  const forgotten = card["forgotten"];
  return Array.isArray(forgotten)
    ? forgotten.filter((one) => v.is(serverName, one)).slice(0, FORGOTTEN_MAX)
    : [];
}

/** As many forgotten servers a card names. Chosen: 64 bytes each at most. */
export const FORGOTTEN_MAX = 100;

/** What a card is made of besides the server's constants. */
export interface CardFacts {
  readonly card: Card;
  /** The card before it, where the remote refuses replacing and cards form a chain; else null. */
  readonly parent: string | null;
  readonly committedMs: number;
}

/** The signed objects of a card, the commit last. Throws a plain `Error` when the card exceeds its limit. */
export async function buildCard(
  facts: CardFacts,
  tools: BatchTools,
): Promise<{ readonly objects: readonly GitObject[]; readonly commitId: string }> {
  const json = toUtf8(`${JSON.stringify(facts.card)}\n`);
  if (json.length > LIMITS.cardBytesMax) throw new Error(`Broken invariant: card of ${json.length} bytes`);
  const signature = await signSsh(json, "fleetd-card", tools);
  const objects = toObjects({ "card.json": json, "card.sig": signature }, tools, (tree) => ({
    tree,
    parent: facts.parent,
    server: tools.server,
    committedMs: facts.committedMs,
    message: `${tools.server}: card ${facts.card.n}`,
  }));
  return { objects: objects.all, commitId: objects.commitId };
}

/** Whether `cursor` says that the entry `seq` of `epoch` was read. */
export const hasPassed = (passed: Cursor | undefined, entry: { epoch: string; seq: number }): boolean =>
  passed !== undefined && passed.epoch === entry.epoch && passed.seq >= entry.seq;

function areCursors(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([server, read]) => v.is(serverName, server) && v.is(cursor, read));
}
