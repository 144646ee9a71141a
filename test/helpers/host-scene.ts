import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  HostedProcess,
  ProcessHost,
  ProcessIdentity,
  ProcessTree,
  SpawnRequest,
} from "../../src/base/ports/process-host.ts";
import { isAlive } from "../../src/platform/is-alive.ts";

/** Small programs that behave badly. */
export const PROGRAMS = join(import.meta.dir, "../fixtures/supervision");

/** What starts the helper of the host when fleetd runs from source. */
export const HELPER: readonly string[] = [process.execPath, join(import.meta.dir, "../../src/main.ts")];

/** How long anything may take before a test gives up on it. */
export const PATIENCE_MS = 60_000;

/** Waits until it is so. @throws when it never is */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > deadlineMs) throw new Error(`It never was so: ${what}`);
    await Bun.sleep(10);
  }
}

/** A process of a start, with what it wrote. */
export interface Played extends HostedProcess {
  readonly output: string;
}

/** Starts programs of tests, and ends all of them afterwards. */
export class HostScene {
  readonly folder = mkdtempSync(join(tmpdir(), "fleetd-host-"));
  readonly host: ProcessHost;
  readonly #trees: ProcessTree[] = [];
  #count = 0;

  constructor(host: ProcessHost) {
    this.host = host;
  }

  /** A path that is not there yet. */
  path(name: string): string {
    this.#count += 1;
    return join(this.folder, `${name}-${this.#count}`);
  }

  /** A request for a program; a name that ends in ".sh" or ".ts" is one of the fixtures. */
  request(command: readonly string[], other: Partial<SpawnRequest> = {}): SpawnRequest {
    const [name = "", ...words] = command;
    const script = join(PROGRAMS, name);
    const program = name.endsWith(".ts") ? [process.execPath, script] : [script];
    return {
      command: /\.(?:sh|ts)$/.test(name) ? [...program, ...words] : command,
      cwd: this.folder,
      environment: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      run: crypto.randomUUID(),
      output: this.path("output"),
      user: null,
      group: null,
      name: "test",
      limits: { memoryBytes: null, cpus: null, pids: null },
      listeners: [],
      ...other,
    };
  }

  async spawn(command: readonly string[], other: Partial<SpawnRequest> = {}): Promise<Played> {
    const request = this.request(command, other);
    const hosted = await this.host.spawn(request);
    this.#trees.push(hosted.tree);
    return { ...hosted, output: request.output };
  }

  /** The start that leaves a grandchild behind, and the id of that. */
  async detached(...words: readonly string[]): Promise<{ hosted: Played; pid: number }> {
    const file = this.path("pid");
    const hosted = await this.spawn(["detaches.sh", file, ...words]);
    await until("the grandchild runs", () => existsSync(file));
    return { hosted, pid: Number(readFileSync(file, "utf8")) };
  }

  write(path: string, text: string): void {
    writeFileSync(path, text);
  }

  /** Ends everything that was started here. */
  async end(): Promise<void> {
    for (const tree of this.#trees.splice(0)) {
      await this.host.kill(tree, PATIENCE_MS);
      this.host.forget(tree);
    }
  }

  close(): void {
    this.host.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The ids of processes, in order. */
export const pidsOf = (members: readonly ProcessIdentity[]): number[] =>
  members.map(({ pid }) => pid).toSorted((left, right) => left - right);

/** What a process wrote. */
export const textOf = ({ output }: Played): string => readFileSync(output, "utf8");

/** Whether it is there at all, also as a zombie. */
export const isThere = (pid: number): boolean => isAlive(pid);
