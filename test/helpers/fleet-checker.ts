/**
 * Judges what a fleet did, in the style of Jepsen: a test records what it asked for and what it was told, `gather` (in
 * fleet-evidence.ts) reads what really is on the remote and in every server's files, and `judge` compares the two.
 *
 * The judge knows nothing of how fleetd works. It is pure, so that forged histories can prove that it does find what it
 * is there to find.
 */
import { judgePlaces } from "./judge-order.ts";
import { judgeWork, type WorkEvidence } from "./judge-work.ts";

/** One message that a test asked a server to send. The body is unique, so it can be found whatever its id became. */
export interface SendRecord {
  readonly server: string;
  readonly body: string;
  readonly startedWallMs: number;
  /** When the command ended or was killed. */
  readonly endedWallMs: number;
  /** What the sender was told: on the remote, durable on its machine, or nothing (killed, or refused). */
  readonly told: "pushed" | "queued" | "nothing";
  /** Its id, for one that may end as expired instead of on the remote. */
  readonly expiringId?: string | undefined;
}

/** One line of a writer's log on the remote. */
export interface RemoteEntry {
  readonly writer: string;
  readonly seq: number;
  readonly epoch: string;
  readonly prev: string | null;
  /** `"sha256:<hex>"` of the line itself. */
  readonly hash: string;
  readonly id: string;
  readonly type: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly body: string;
  readonly auto: boolean;
  readonly hops?: number;
  readonly inReplyTo: string | null;
  /** Of a receipt: the message, and what became of it. */
  readonly receipt?: { readonly message: string; readonly state: string } | undefined;
}

/** A row of a server's outbox. */
export interface PromisedEntry {
  readonly id: string;
  readonly state: string;
  readonly pushedWallMs: number | null;
}

/** What one server holds. `inbox` null: it was not asked. */
export interface ServerEvidence {
  readonly server: string;
  readonly outbox: readonly PromisedEntry[];
  readonly journal: readonly { readonly from: string; readonly id: string; readonly reply: string }[];
  readonly inbox: readonly { readonly id: string; readonly from: string; readonly seq: number }[] | null;
  readonly quarantined: readonly string[];
  /** What its handler did; left out where it has none. */
  readonly work?: WorkEvidence | undefined;
}

/** What was found after everything came to rest. Entries stand in the order of their writer's log. */
export interface Evidence {
  readonly entries: readonly RemoteEntry[];
  readonly servers: readonly ServerEvidence[];
  /** What `git fsck --strict` complains about, per repository. */
  readonly fsck: readonly string[];
  /** Lock files that are still there. */
  readonly locks: readonly string[];
  /** Processes that outlived those that started them. */
  readonly processes: readonly string[];
}

/** A rule of the fleet that was broken. */
export interface Violation {
  readonly rule: Rule;
  readonly detail: string;
}

export type Rule =
  | "lost"
  | "lied"
  | "twice"
  | "chain"
  | "order"
  | "invented"
  | "handled-twice"
  | "not-handled"
  | "answer-lost"
  | "storm"
  | "not-delivered"
  | "delivered-twice"
  | "inbox-order"
  | "waiting"
  | "quarantined"
  | "fsck"
  | "lock"
  | "process";

/** What a schedule bounds. `automaticMax`: how many automatic messages may follow from it. */
export interface Bounds {
  readonly automaticMax: number;
}

const UNBOUNDED: Bounds = { automaticMax: Number.POSITIVE_INFINITY };

/** Everything that is wrong, in a stable order; empty when the fleet kept its promises. */
export function judge(
  sends: readonly SendRecord[],
  evidence: Evidence,
  bounds: Bounds = UNBOUNDED,
): Violation[] {
  return [
    ...judgeAcknowledged(sends, evidence),
    ...judgeUniqueness(sends, evidence),
    ...judgeChains(evidence),
    ...judgeOrder(sends, evidence),
    ...judgeOrigin(sends, evidence),
    ...judgeAnswers(evidence),
    ...judgeSilence(evidence, bounds),
    ...evidence.servers.flatMap((server) => judgeServer(server, sends, evidence)),
    ...leftOver("fsck", evidence.fsck),
    ...leftOver("lock", evidence.locks),
    ...leftOver("process", evidence.processes),
  ];
}

const leftOver = (rule: Rule, details: readonly string[]): Violation[] =>
  details.map((detail) => ({ rule, detail }));

const messagesOf = (evidence: Evidence): RemoteEntry[] =>
  evidence.entries.filter((entry) => entry.type === "message");

/** Where an entry stands, for a person. */
const placeOf = (entry: RemoteEntry): string => `${entry.writer}#${entry.seq} (${entry.id.slice(-8)})`;

/** Nothing that was acknowledged may be missing, and "pushed" must have been true when it was said. */
function judgeAcknowledged(sends: readonly SendRecord[], evidence: Evidence): Violation[] {
  const found = groupBy(messagesOf(evidence), (entry) => `${entry.writer} ${entry.body}`);
  const promised = new Map(
    evidence.servers.flatMap(({ server, outbox }) =>
      outbox.map((item) => [`${server} ${item.id}`, item] as const),
    ),
  );
  return sends.flatMap((send): Violation[] => {
    if (send.told === "nothing") return [];
    const [entry] = found.get(`${send.server} ${send.body}`) ?? [];
    if (entry === undefined && promised.get(`${send.server} ${send.expiringId}`)?.state === "expired")
      return [];
    if (entry === undefined) {
      return [{ rule: "lost", detail: `${send.server} was told "${send.told}" of "${send.body}"` }];
    }
    const pushedMs = promised.get(`${send.server} ${entry.id}`)?.pushedWallMs;
    if (send.told !== "pushed" || pushedMs === undefined) return [];
    if (pushedMs !== null && pushedMs <= send.endedWallMs) return [];
    return [{ rule: "lied", detail: `${send.server} was told "pushed" of "${send.body}" too early` }];
  });
}

/** No id, no place in a log, and no text that was sent once may be on the remote twice. */
function judgeUniqueness(sends: readonly SendRecord[], evidence: Evidence): Violation[] {
  const sent = new Set(sends.map((send) => send.body));
  const repeated = (what: string, keys: readonly string[]): Violation[] =>
    [...groupBy(keys, (key) => key)]
      .filter(([, all]) => all.length > 1)
      .map(([key, all]) => ({ rule: "twice", detail: `${what} ${key} is there ${all.length} times` }));
  return [
    ...repeated(
      "id",
      evidence.entries.map((entry) => entry.id),
    ),
    ...repeated(
      "place",
      evidence.entries.map((entry) => `${entry.writer}/${entry.epoch}/${entry.seq}`),
    ),
    ...repeated(
      "message",
      messagesOf(evidence).flatMap(({ body }) => (sent.has(body) ? [`"${body}"`] : [])),
    ),
  ];
}

/** Every log starts with a key, counts without a gap, and every line names the one before it. */
function judgeChains(evidence: Evidence): Violation[] {
  const logs = [...groupBy(evidence.entries, (entry) => entry.writer).values()];
  return logs.flatMap((log) =>
    log.flatMap((entry, at) =>
      faultsOfLink(entry, log[at - 1]).map(
        (fault): Violation => ({ rule: "chain", detail: `${placeOf(entry)} ${fault}` }),
      ),
    ),
  );
}

function faultsOfLink(entry: RemoteEntry, last: RemoteEntry | undefined): string[] {
  const starts = entry.type === "key";
  const seq = starts ? 1 : (last?.seq ?? 0) + 1;
  return [
    ...(last === undefined && !starts ? ["is first and no key"] : []),
    ...(entry.seq === seq ? [] : [`stands where ${seq} belongs`]),
    ...(entry.prev === (last?.hash ?? null) ? [] : ["does not name the line before it"]),
    ...(starts || entry.epoch === last?.epoch ? [] : ["is of another epoch"]),
    ...(entry.from === entry.writer ? [] : [`says that it is from "${entry.from}"`]),
  ];
}

/** What a server was asked later stands later in its log. Sends that overlapped may stand either way. */
function judgeOrder(sends: readonly SendRecord[], evidence: Evidence): Violation[] {
  const places = new Map(
    evidence.entries.map((entry, place) => [`${entry.writer} ${entry.body}`, place] as const),
  );
  return [...groupBy(sends, (send) => send.server)].flatMap(([server, own]) => {
    const placed = own.flatMap((send) => {
      const place = places.get(`${server} ${send.body}`);
      return place === undefined ? [] : [{ send, place }];
    });
    return judgePlaces(placed).map(({ before, after }): Violation => {
      const detail = `${server} sent "${before.body}" before "${after.body}", its log says otherwise`;
      return { rule: "order", detail };
    });
  });
}

/** Every message on the remote was asked for by a test, or is an automatic answer to one that is there. */
function judgeOrigin(sends: readonly SendRecord[], evidence: Evidence): Violation[] {
  const asked = new Set(sends.map((send) => `${send.server} ${send.body}`));
  const messages = new Map(messagesOf(evidence).map((entry) => [entry.id, entry]));
  return messagesOf(evidence).flatMap((entry): Violation[] => {
    if (asked.has(`${entry.writer} ${entry.body}`)) return [];
    const question = entry.inReplyTo === null ? undefined : messages.get(entry.inReplyTo);
    const answers = entry.auto && question !== undefined && entry.to.join() === question.from;
    return answers ? [] : [{ rule: "invented", detail: `${placeOf(entry)}: "${entry.body.slice(0, 60)}"` }];
  });
}

/** At most one automatic answer per server and message; what a journal says was answered is on the remote. */
function judgeAnswers(evidence: Evidence): Violation[] {
  const answers = messagesOf(evidence).filter((entry) => entry.auto && entry.inReplyTo !== null);
  const doubled = [...groupBy(answers, (entry) => `${entry.writer} ${entry.inReplyTo}`)].filter(
    ([, all]) => all.length > 1,
  );
  const written = new Map(answers.map((entry) => [`${entry.writer} ${entry.id}`, entry]));
  const journals = evidence.servers.flatMap(({ server, journal }) =>
    journal.map((row) => ({ server, ...row })),
  );
  const journaled = new Set(journals.map((row) => `${row.server} ${row.reply}`));
  const known = new Set(evidence.servers.map(({ server }) => server));
  return [
    ...doubled.map(
      ([key, all]): Violation => ({
        rule: "handled-twice",
        detail: `${key} was answered ${all.length} times`,
      }),
    ),
    ...journals
      .filter((row) => written.get(`${row.server} ${row.reply}`)?.inReplyTo !== row.id)
      .map((row): Violation => ({ rule: "answer-lost", detail: `${row.server} answered ${row.id}` })),
    ...answers
      .filter((entry) => known.has(entry.writer) && !journaled.has(`${entry.writer} ${entry.id}`))
      .map((entry): Violation => ({ rule: "invented", detail: `${placeOf(entry)} is in no journal` })),
  ];
}

/** Automatic messages come to an end. */
function judgeSilence(evidence: Evidence, { automaticMax }: Bounds): Violation[] {
  const count = messagesOf(evidence).filter((entry) => entry.auto).length;
  if (count <= automaticMax) return [];
  return [{ rule: "storm", detail: `${count} automatic messages, ${automaticMax} at most` }];
}

function judgeServer(
  evidenceOfOne: ServerEvidence,
  sends: readonly SendRecord[],
  evidence: Evidence,
): Violation[] {
  const { server, outbox, inbox, quarantined, work } = evidenceOfOne;
  const expiring = new Set(sends.map((send) => send.expiringId));
  const mayEnd = (item: PromisedEntry): boolean => item.state === "expired" && expiring.has(item.id);
  const waiting = outbox.filter((item) => item.state !== "pushed" && !mayEnd(item));
  return [
    ...waiting.map(
      (item): Violation => ({ rule: "waiting", detail: `${server}: ${item.id} is ${item.state}` }),
    ),
    ...quarantined.map((detail): Violation => ({ rule: "quarantined", detail: `${server}: ${detail}` })),
    ...(inbox === null ? [] : judgeInbox(server, inbox, evidence)),
    ...(work === undefined ? [] : judgeWork(server, work)),
  ];
}

/** An inbox has what is addressed to its server, each once, in the order of each sender, and nothing else. */
function judgeInbox(
  server: string,
  inbox: NonNullable<ServerEvidence["inbox"]>,
  evidence: Evidence,
): Violation[] {
  const expected = messagesOf(evidence).filter(
    (entry) => entry.from !== server && (entry.to.includes(server) || entry.to.includes("all")),
  );
  const held = groupBy(inbox, (message) => message.id);
  const ids = new Set(expected.map((entry) => entry.id));
  const violations: Violation[] = [];
  for (const entry of expected) {
    const count = held.get(entry.id)?.length ?? 0;
    if (count === 0) violations.push({ rule: "not-delivered", detail: `${server} has no ${placeOf(entry)}` });
    if (count > 1) {
      violations.push({ rule: "delivered-twice", detail: `${server} has ${placeOf(entry)} ${count} times` });
    }
  }
  for (const id of held.keys()) {
    if (!ids.has(id)) violations.push({ rule: "invented", detail: `${server} holds ${id}` });
  }
  // An epoch counts from 1 again, so it is the place in the log that rises, and not the number alone.
  const places = new Map(evidence.entries.map((entry, place) => [`${entry.from} ${entry.id}`, place]));
  const placeIn = ({ from, id, seq }: { from: string; id: string; seq: number }): number =>
    places.get(`${from} ${id}`) ?? seq;
  for (const [from, messages] of groupBy(inbox, (message) => message.from)) {
    const late = messages.find((message, at) => {
      const before = messages[at - 1];
      return before !== undefined && placeIn(message) <= placeIn(before);
    });
    if (late === undefined) continue;
    violations.push({ rule: "inbox-order", detail: `${server} got ${from}#${late.seq} too late` });
  }
  return violations;
}

/** What one sentence says about a fleet: how many messages, and what is wrong, each rule with one example. */
export function describe(violations: readonly Violation[]): string {
  const rules = [...groupBy(violations, (violation) => violation.rule)];
  return rules.map(([rule, all]) => `${rule} ${all.length} (${all[0]?.detail ?? ""})`).join("; ");
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  return Map.groupBy(items, keyOf);
}
