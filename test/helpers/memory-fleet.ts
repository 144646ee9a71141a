import { concatBytes } from "../../src/base/bytes.ts";
import { requireOk } from "../../src/base/errors.ts";
import type { SigningKey } from "../../src/base/ports/cryptography.ts";
import type { GitRemote } from "../../src/base/ports/git-remote.ts";
import {
  type AnswerSettings,
  answerMessages,
  type HandledMessage,
} from "../../src/fleet/messaging/answer-messages.ts";
import { type BatchTools, type EntryDraft, toObjects } from "../../src/fleet/messaging/build-batch.ts";
import { buildQueued } from "../../src/fleet/messaging/build-queued.ts";
import { replyBudgets } from "../../src/fleet/messaging/decide-reply.ts";
import { type FlushOutcome, flushOutbox } from "../../src/fleet/messaging/flush-outbox.ts";
import { type Identity, loadIdentity } from "../../src/fleet/messaging/identity.ts";
import { type JoinReport, joinFleet } from "../../src/fleet/messaging/join-fleet.ts";
import type { ReceivePorts, SendPorts } from "../../src/fleet/messaging/mailbox-ports.ts";
import { findById } from "../../src/fleet/messaging/mailbox-queries.ts";
import type { IndexedMessage } from "../../src/fleet/messaging/message-index.ts";
import { enqueue } from "../../src/fleet/messaging/outbox.ts";
import type { ServerFacts } from "../../src/fleet/messaging/publish-card.ts";
import type { QueueRules } from "../../src/fleet/messaging/queue.ts";
import { type ReceiveReport, receiveMessages } from "../../src/fleet/messaging/receive-messages.ts";
import { type PendingRotation, rotateKey } from "../../src/fleet/messaging/rotate-key.ts";
import { draftMessage, type SendRequest } from "../../src/fleet/messaging/send-message.ts";
import { signSsh, toOpenSsh } from "../../src/fleet/messaging/ssh-signature.ts";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import { generatePkcs8, importSigningKey, systemCryptography } from "../../src/platform/cryptography.ts";
import { FakeClock } from "./fake-clock.ts";
import { type MemoryDatabase, memoryIndex, memoryState } from "./memory-database.ts";
import { MemoryRemote, MemoryStore } from "./memory-git.ts";

/** Options of a call to the remote that nobody cuts short. */
export const PATIENTLY = { timeoutMs: 30_000, signal: new AbortController().signal };

export const FACTS: ServerFacts = {
  version: "1.2.3",
  capabilities: ["messages"],
  groups: [],
  labels: {},
  health: { status: "ok" },
};

/** Default answers; the text is always "fine". */
export const ANSWERS: AnswerSettings = {
  enabled: true,
  defaultRule: true,
  rules: [],
  openMax: 10,
  budgets: replyBudgets(DEFAULT_SETTINGS.auto_reply),
  statusText: () => "fine",
};

/** Servers that share one remote in memory, and one clock that moves by itself when somebody pauses. */
export class MemoryFleet {
  readonly remote = new MemoryRemote();
  readonly clock = new FakeClock();

  constructor() {
    this.clock.passesWhenSlept = true;
  }

  /** A machine with a key and empty databases, before `init`. */
  async machine(name: string): Promise<MemoryMachine> {
    return new MemoryMachine(this, name, await importSigningKey(await generatePkcs8()));
  }

  /** A server that has joined, looked at the remote once and pushed its key and card. */
  async add(name: string): Promise<MemoryServer> {
    const server = await this.join(name);
    await server.receive();
    await server.flush();
    return server;
  }

  /** A server that has joined and done nothing else. */
  async join(name: string): Promise<MemoryServer> {
    const machine = await this.machine(name);
    const { identity } = await machine.join();
    return new MemoryServer(machine, identity);
  }
}

/** One machine: what `init` starts from. */
export class MemoryMachine {
  readonly fleet: MemoryFleet;
  readonly name: string;
  readonly key: SigningKey;
  readonly state = memoryState();
  readonly store: MemoryStore;
  readonly remote: GitRemote;

  constructor(fleet: MemoryFleet, name: string, key: SigningKey) {
    this.fleet = fleet;
    this.name = name;
    this.key = key;
    this.store = new MemoryStore(fleet.remote.format);
    this.remote = fleet.remote.connect(this.store);
  }

  get joinPorts(): Omit<SendPorts, "identity"> {
    const { state, store, remote, key } = this;
    return { state, store, remote, key, clock: this.fleet.clock, cryptography: systemCryptography };
  }

  join(): Promise<JoinReport> {
    return joinFleet(this.joinPorts, { server: this.name, remoteUrl: "memory://remote" }, PATIENTLY);
  }
}

/** One server with everything that its daemon works with. */
export class MemoryServer {
  readonly machine: MemoryMachine;
  /** Private keys by their public half, as many as it has. */
  readonly keys = new Map<string, SigningKey>();
  readonly #identity: Identity;
  groups: readonly string[] = [];
  rules: QueueRules = DEFAULT_SETTINGS;
  index: MemoryDatabase;

  constructor(machine: MemoryMachine, identity: Identity) {
    this.machine = machine;
    this.#identity = identity;
    this.keys.set(identity.publicKey, machine.key);
    this.index = memoryIndex(machine.state);
  }

  get name(): string {
    return this.machine.name;
  }

  get identity(): Identity {
    return loadIdentity(this.state) ?? this.#identity;
  }

  get state(): MemoryDatabase {
    return this.machine.state;
  }

  get store(): MemoryStore {
    return this.machine.store;
  }

  get logRef(): string {
    return `${this.identity.namespace}log/${this.name}`;
  }

  get cardRef(): string {
    return `${this.identity.namespace}state/${this.name}`;
  }

  get sendPorts(): SendPorts {
    const keyOf = (publicKey: string): Promise<SigningKey> => {
      const key = this.keys.get(publicKey);
      return key === undefined ? Promise.reject(new Error(`no key ${publicKey}`)) : Promise.resolve(key);
    };
    return { ...this.machine.joinPorts, identity: this.identity, keyOf };
  }

  get receivePorts(): ReceivePorts {
    const { key: _, keyOf: __, ...shared } = this.sendPorts;
    return { ...shared, index: this.index, groups: this.groups };
  }

  get tools(): BatchTools {
    const { key, store } = this.machine;
    return { server: this.name, format: store.format, cryptography: systemCryptography, key };
  }

  draft(request: Partial<SendRequest> & Pick<SendRequest, "to">): EntryDraft {
    const from = { server: this.name, clock: this.machine.fleet.clock, cryptography: systemCryptography };
    return requireOk("USAGE", draftMessage({ body: "hello", subject: "", ...request }, from));
  }

  /** Queues a message; its id. */
  queue(request: Partial<SendRequest> & Pick<SendRequest, "to">): string {
    const draft = this.draft(request);
    this.state.transaction(() => enqueue(this.state, draft, this.machine.fleet.clock.wallMs()));
    return draft.id;
  }

  /** Changes the own key; the batch that says so is built and not pushed. */
  async rotate(): Promise<PendingRotation> {
    await buildQueued(this.sendPorts);
    const next = await importSigningKey(await generatePkcs8());
    this.keys.set(toOpenSsh(next.publicKey), next);
    return await rotateKey(this.sendPorts, next);
  }

  flush(card = true): Promise<FlushOutcome> {
    const facts = { ...FACTS, groups: this.groups };
    return flushOutbox(this.sendPorts, facts, { ...PATIENTLY, card, rules: this.rules });
  }

  /** Queues and pushes a message; its id. */
  async send(request: Partial<SendRequest> & Pick<SendRequest, "to">): Promise<string> {
    const id = this.queue(request);
    const outcome = await this.flush();
    if (outcome.status !== "pushed") throw new Error(`not pushed: ${JSON.stringify(outcome)}`);
    return id;
  }

  /** One look at the remote that has to succeed. */
  async receive(): Promise<ReceiveReport> {
    const received = await receiveMessages(this.receivePorts, PATIENTLY);
    if (!received.ok) throw new Error(`not received: ${received.error.detail}`);
    return received.value;
  }

  answer(settings: Partial<AnswerSettings> = {}): HandledMessage[] {
    return [...answerMessages(this.receivePorts, { ...ANSWERS, ...settings })].flat();
  }

  message(id: string): IndexedMessage {
    const [found] = findById(this.index, id);
    if (found === undefined) throw new Error(`${this.name} has no message ${id}`);
    return found;
  }

  /** This server as a backup of now has it, on a machine of its own. */
  backup(): MemoryServer {
    const machine = new MemoryMachine(this.machine.fleet, this.name, this.machine.key);
    machine.state.copyFrom(this.state);
    for (const [id, object] of this.store.objects) machine.store.objects.set(id, object);
    for (const [name, id] of this.store.refs) machine.store.refs.set(name, id);
    const copy = new MemoryServer(machine, this.identity);
    copy.index.copyFrom(this.index);
    return copy;
  }

  /** The index is lost and starts empty. */
  loseIndex(): void {
    this.index.close();
    this.index = memoryIndex(this.state);
  }
}

/** A commit with these files on top of `parent`, as anybody with git can make one. */
export function strangersCommit(files: Readonly<Record<string, Uint8Array>>, parent: string | null) {
  const tools = { format: "sha1", cryptography: systemCryptography } as const;
  return toObjects(files, tools, (tree) => ({
    tree,
    parent,
    server: "stranger",
    committedMs: 1_767_225_600_000,
    message: "anything",
  }));
}

/** Signed `entries.jsonl` lines as files of a commit. */
export async function signedLog(lines: readonly Uint8Array[], tools: BatchTools) {
  const entries = concatBytes(lines);
  return { "entries.jsonl": entries, "entries.sig": await signSsh(entries, "fleetd-log", tools) };
}
