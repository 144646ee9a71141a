import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import { ByteReader } from "../byte-reader.ts";
import { endGroup, HAS_PROCESS_GROUPS } from "../process-group.ts";
import { gitCommand, spawnError } from "./git-process.ts";

const LINE_BYTES_MAX = 64 * 1024;
const STDERR_BYTES_MAX = 4096;
/** How long a cat-file may take to leave after its input ended; it needs under a millisecond. */
const CLOSE_GRACE_MS = 500;

/** The answer to one name; null when there is no such object. `content` is null where only sizes are asked. */
export type BatchAnswer = {
  readonly id: string;
  readonly kind: string;
  readonly sizeBytes: number;
  readonly content: Uint8Array | null;
} | null;

/** What git says before the content; null for a name without an object. @throws Error on anything else */
function parseHeader(line: string | null): BatchAnswer {
  if (line === null) throw new Error("git cat-file ended");
  const header = /^([0-9a-f]{40,64}) ([a-z]+) (\d+)$/.exec(line);
  if (header?.[1] === undefined || header[2] === undefined) {
    // Newer git has a word of its own for the commit of a submodule, which is in no repository of ours.
    if (/ (?:missing|ambiguous|submodule)$/.test(line)) return null;
    throw new Error(`git cat-file answered "${line.slice(0, 200)}"`);
  }
  return { id: header[1], kind: header[2], sizeBytes: Number(header[3]), content: null };
}

type BatchChild = Bun.Subprocess<"pipe", "pipe", "pipe">;

interface Running {
  readonly child: BatchChild;
  readonly output: ByteReader;
  readonly complaint: Promise<Uint8Array>;
}

/** How git ends when it does not know an option. */
const EXIT_USAGE = 129;

/**
 * One `git cat-file` that answers names over pipes for as long as the store is open: started by the first question,
 * started anew when it died. Questions queue; the names of one question are pipelined.
 */
export class BatchReader {
  readonly #folder: string;
  readonly #environment: Record<string, string>;
  readonly #withContent: boolean;
  /**
   * Whether git has `cat-file --batch-command` (2.36), as far as is known. With it a question is answered in blocks; an
   * older git writes each object by itself, and each wakes us up.
   */
  #hasCommands = true;
  #running: Running | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string, environment: Record<string, string>, withContent: boolean) {
    this.#folder = folder;
    this.#environment = environment;
    this.#withContent = withContent;
  }

  /**
   * Answers to `names` (no line feed inside), in order. A question that a dead process took along is asked once more.
   * @throws FleetError IO with git's words when it died twice
   */
  ask(names: readonly string[]): Promise<BatchAnswer[]> {
    const answers = this.#last.then(() => this.#askTwice(names));
    this.#last = answers.catch(() => undefined);
    return answers;
  }

  /** Whether a question would find a process that runs already. */
  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Ends the process; a later question would start a new one. */
  async close(): Promise<void> {
    await this.#last;
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    await running.child.stdin.end();
    const timer = setTimeout(() => void endGroup(running.child.pid), CLOSE_GRACE_MS);
    await running.child.exited;
    clearTimeout(timer);
    await running.output.cancel();
  }

  async #askTwice(names: readonly string[]): Promise<BatchAnswer[]> {
    try {
      return await this.#askOnce(names);
    } catch {
      await this.#discard();
    }
    try {
      return await this.#askOnce(names);
    } catch (thrown) {
      if (thrown instanceof FleetError) throw thrown;
      throw causedBy("IO", `Cannot read objects in "${this.#folder}": ${await this.#discard()}`, thrown);
    }
  }

  async #askOnce(names: readonly string[]): Promise<BatchAnswer[]> {
    this.#running ??= this.#start();
    const { child } = this.#running;
    // Without anything that holds the process Bun asks for events in a busy loop, and takes the processor from git.
    child.ref();
    try {
      return await this.#readAnswers(this.#running, names);
    } finally {
      child.unref();
    }
  }

  async #readAnswers({ child, output }: Running, names: readonly string[]): Promise<BatchAnswer[]> {
    child.stdin.write(this.#hasCommands ? this.#commandsFor(names) : `${names.join("\n")}\n`);
    // Not awaited: git answers while the rest of a long question is still on its way.
    const sent = Promise.resolve(child.stdin.flush()).catch(messageOf);
    const answers: BatchAnswer[] = [];
    while (answers.length < names.length) {
      // Usually it has arrived: waiting for what is there would cost more than reading it.
      const line = output.lineNow() ?? (await output.line(LINE_BYTES_MAX));
      const answer = parseHeader(line);
      if (answer === null || !this.#withContent) {
        answers.push(answer);
        continue;
      }
      // With the line feed behind the content.
      const count = answer.sizeBytes + 1;
      const content = output.bytesNow(count) ?? (await output.bytes(count));
      answers.push({ ...answer, content: content.subarray(0, -1) });
    }
    await sent;
    return answers;
  }

  #commandsFor(names: readonly string[]): string {
    const verb = this.#withContent ? "contents" : "info";
    return `${names.map((name) => `${verb} ${name}`).join("\n")}\nflush\n`;
  }

  #start(): Running {
    const plain = this.#withContent ? ["--batch"] : ["--batch-check"];
    const mode = this.#hasCommands ? ["--batch-command", "--buffer"] : plain;
    try {
      const child = Bun.spawn(gitCommand(this.#folder, ["cat-file", ...mode]), {
        cwd: this.#folder,
        env: this.#environment,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
        detached: HAS_PROCESS_GROUPS,
        windowsHide: true,
      });
      // A process that forgets to close its store may still exit: git ends when its input does.
      child.unref();
      const complaint = new ByteReader(child.stderr).rest(STDERR_BYTES_MAX, () => undefined);
      return { child, output: new ByteReader(child.stdout), complaint };
    } catch (thrown) {
      throw spawnError(this.#folder, thrown);
    }
  }

  /** Ends a process whose answers can no longer be told apart; resolves to what it said on stderr. */
  async #discard(): Promise<string> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return "";
    await endGroup(running.child.pid);
    if ((await running.child.exited) === EXIT_USAGE) this.#hasCommands = false;
    await running.output.cancel();
    return new TextDecoder().decode(await running.complaint).trim();
  }
}
