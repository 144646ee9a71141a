import { fromUtf8, toUtf8 } from "../../src/base/bytes.ts";
import type { HandlerCall, HandlerOutcome, HandlerRunner } from "../../src/base/ports/handler-runner.ts";
import { Chance } from "./chance.ts";
import type { Plan } from "./happening.ts";
import { type Life, never } from "./life.ts";

/** What really became of the work on one message, whatever the journal says. */
export interface WorkDone {
  starts: number;
  /** How often a handler asked to be run again. */
  again: number;
}

/** The programs of one machine; they outlive the daemon that started them. */
export class SimHandlers {
  /** By `"<sender> <message id>"`. */
  readonly done = new Map<string, WorkDone>();
  readonly #alive = new Set<string>();
  readonly #plan: Plan;
  readonly #server: string;
  #pids = 100;

  constructor(plan: Plan, server: string) {
    this.#plan = plan;
    this.#server = server;
  }

  /** A power cut ends everything. */
  losePower(): void {
    this.#alive.clear();
  }

  portOf(life: Life): HandlerRunner {
    return {
      run: (call) => this.#run(life, call),
      endLeft: ({ token }) => {
        life.call();
        return Promise.resolve(this.#alive.delete(token));
      },
    };
  }

  async #run(life: Life, call: HandlerCall): Promise<HandlerOutcome> {
    life.call();
    const { id, from } = JSON.parse(fromUtf8(call.input) ?? "{}") as { id: string; from: string };
    const work = this.done.get(`${from} ${id}`) ?? { starts: 0, again: 0 };
    this.done.set(`${from} ${id}`, work);
    work.starts += 1;
    this.#alive.add(call.token);
    this.#pids += 1;
    call.onStarted({ pid: this.#pids, pidStarted: null });
    const { seed, handlerMs } = this.#plan;
    const chance = new Chance(seed, `handler/${this.#server}/${id}/${work.starts}`);
    const outcome = outcomeOf(chance);
    const hangs = outcome.ended === "timeout";
    const ms = hangs
      ? call.timeoutMs
      : Math.min(call.timeoutMs - 1, chance.magnitude(handlerMs.least, handlerMs.most));
    await life.sleep(ms, null);
    if (life.isOver) return await never();
    this.#alive.delete(call.token);
    if (outcome.ended === "exited" && outcome.exitCode === 75) work.again += 1;
    return outcome;
  }
}

function outcomeOf(chance: Chance): HandlerOutcome {
  const kind = chance.fraction();
  const exited = (exitCode: number, text: string): HandlerOutcome => {
    return { ended: "exited", exitCode, stdout: toUtf8(text), isCut: false, stderr: "" };
  };
  if (kind < 0.55) return exited(0, "done");
  if (kind < 0.68) return exited(0, "");
  if (kind < 0.78) return exited(1, "");
  if (kind < 0.88) return exited(75, "");
  return kind < 0.94 ? { ended: "timeout", stderr: "" } : exited(137, "");
}
