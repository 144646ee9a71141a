import { parseDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import type { ServiceLine } from "../../base/ports/service-log.ts";
import { systemClock } from "../../platform/clock.ts";
import { commandSignal } from "../command-signal.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { joinLines } from "../output/safe-text.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { renderTop, renderTopPage, seenOf } from "../output/top-view.ts";
import { serviceToJson } from "../service-json.ts";
import { typed } from "../session.ts";
import { loadSettings, type Settings } from "../settings.ts";
import { didYouMean } from "../suggest.ts";
import { type FullScreen, openFullScreen } from "../top/full-screen.ts";
import { TopSource } from "../top/gather-top.ts";
import type { Key } from "../top/keys.ts";
import {
  chooseServices,
  pressKey,
  SORT_KEYS,
  selectedOf,
  TOP_START,
  type TopData,
  type TopState,
  type TopView,
} from "../top/top-model.ts";

/** The arguments of `top`, as typed. */
export interface TopArguments {
  readonly interval: string;
  readonly sort: string | undefined;
  readonly filter: string | undefined;
  readonly once: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Sooner than this a person sees no difference, and a daemon much work. Chosen, not measured. */
const INTERVAL_MS_MIN = 200;
const INTERVAL_MS_MAX = 60_000;
/** Two looks for two changes are at least so far apart. */
const PAUSE_MS_MIN = 500;
const LOG_LINES_ONCE = 10;

/** The services of this machine, queue and fleet, until somebody quits; nothing is changed by it. */
export async function top(args: TopArguments): Promise<number> {
  const intervalMs = parseInterval(args.interval);
  const start = startOf(args);
  const isOnce = args.once || args.json;
  if (!isOnce) requireTerminal();
  const settings = await loadSettings(args);
  if (isOnce) return await showOnce(args, settings, start);
  const source = new TopSource(settings);
  // Whoever is to see a whole screen is told before it opens that there is nothing to see.
  await source.look();
  const watching = new Watching(args, source, start);
  try {
    await watching.run(intervalMs);
  } finally {
    watching.close();
    await source.close();
  }
  return 0;
}

function parseInterval(text: string): number {
  const intervalMs = typed<number>(parseDuration(text));
  if (intervalMs >= INTERVAL_MS_MIN && intervalMs <= INTERVAL_MS_MAX) return intervalMs;
  throw new FleetError("USAGE", `Cannot look every "${text}": need 200ms to 1m`);
}

function startOf({ sort = "name", filter = "" }: TopArguments): TopState {
  const found = SORT_KEYS.find((one) => one === sort);
  if (found !== undefined) return { ...TOP_START, sort: found, filter };
  throw new FleetError(
    "USAGE",
    `Cannot sort by "${sort}": need one of ${SORT_KEYS.join(", ")}${didYouMean(sort, SORT_KEYS)}`,
  );
}

function requireTerminal(): void {
  if (process.stdin.isTTY === true && process.stdout.isTTY === true && process.env["TERM"] !== "dumb") return;
  throw new FleetError("USAGE", "Cannot show the whole screen: no terminal here, need one", {
    hint: 'For one look there are "fleetd top --once", "fleetd list --json" and "fleetd stats --json"',
  });
}

async function showOnce(args: TopArguments, settings: Settings, state: TopState): Promise<number> {
  const source = new TopSource(settings);
  try {
    const data = await source.look();
    if (args.json) {
      printJson("top", toTopJson(data, state));
      return 0;
    }
    const selected = selectedOf(chooseServices(data.services, state), state);
    const log = selected === null ? [] : source.log(selected.name, LOG_LINES_ONCE);
    printText(joinLines(renderTopPage({ data, state, log }, terminalWidth(), openStyle(args))));
    return 0;
  } finally {
    await source.close();
  }
}

/** One look as scripts read it. */
function toTopJson(data: TopData, state: TopState): Record<string, unknown> {
  const { server, monitor, queue, peers, machine, nowWallMs } = data;
  const instant = (wallMs: number | null): string | null =>
    wallMs === null ? null : new Date(wallMs).toISOString();
  return {
    at: instant(nowWallMs),
    server,
    health: monitor?.verdict ?? "unknown",
    remote:
      monitor === null
        ? null
        : {
            trouble: monitor.trouble,
            breaker: monitor.breaker,
            last_fetch_at: instant(monitor.lastFetchWallMs),
            last_push_at: instant(monitor.lastPushWallMs),
          },
    queue:
      queue === null
        ? null
        : { count: queue.waiting, oldest_at: instant(queue.oldestWallMs), dead: queue.dead },
    peers,
    machine: {
      cores: machine.cores,
      load: machine.load,
      memory_total_bytes: machine.memory?.totalBytes ?? null,
      memory_available_bytes: machine.memory?.availableBytes ?? null,
    },
    services: chooseServices(data.services, state).map(serviceToJson),
  };
}

/** The screen while somebody watches: looks and keys each draw it anew. */
class Watching {
  readonly #source: TopSource;
  readonly #style: ReturnType<typeof openStyle>;
  readonly #quit = new AbortController();
  readonly #screen: FullScreen;
  #state: TopState;
  /** The log that is shown, and whose it is. */
  #log: { readonly name: string | null; readonly lines: readonly ServiceLine[] } = { name: null, lines: [] };

  constructor(args: TopArguments, source: TopSource, state: TopState) {
    this.#source = source;
    this.#state = state;
    this.#style = openStyle(args);
    this.#screen = openFullScreen({ onKey: (key) => this.#press(key), onResize: () => this.#draw() });
  }

  /** Returns when somebody quits, or the command is told to stop. */
  async run(intervalMs: number): Promise<void> {
    const signal = AbortSignal.any([commandSignal(), this.#quit.signal]);
    this.#readLog();
    this.#draw();
    while (!signal.aborted) {
      await this.#pause(intervalMs, signal);
      if (signal.aborted) return;
      try {
        await this.#source.look();
      } catch (thrown) {
        await this.#source.lose(thrown);
      }
      if (signal.aborted) return;
      this.#readLog();
      this.#draw();
    }
  }

  close(): void {
    this.#screen.close();
  }

  /** Until the next look: the interval, or less when something has changed. */
  async #pause(intervalMs: number, signal: AbortSignal): Promise<void> {
    const shortestMs = Math.min(intervalMs, PAUSE_MS_MIN);
    const startMs = systemClock.monotonicMs();
    const wait = (durationMs: number): Promise<void> =>
      systemClock.sleep(Math.max(0, durationMs), signal).catch(() => undefined);
    await wait(shortestMs);
    const leftMs = (): number => intervalMs - (systemClock.monotonicMs() - startMs);
    if (signal.aborted || leftMs() <= 0) return;
    if (this.#source.data.lost === null && (await this.#source.changed(Math.ceil(leftMs()), signal))) return;
    await wait(leftMs());
  }

  #press(key: Key): void {
    if (key.kind === "ctrl-l") {
      this.#screen.forget();
      this.#draw();
      return;
    }
    const next = pressKey(this.#state, key, seenOf(this.#view(), this.#screen.size()));
    if (next === "quit") {
      this.#quit.abort();
      // The terminal is given back at once, whatever is still asked.
      this.#screen.close();
      return;
    }
    const isOther = next.page !== this.#state.page || next.selected !== this.#state.selected;
    this.#state = next;
    if (isOther || this.#selected() !== this.#log.name) this.#readLog();
    this.#draw();
  }

  #selected(): string | null {
    const services = chooseServices(this.#source.data.services, this.#state);
    return selectedOf(services, this.#state)?.name ?? null;
  }

  /** The log of the chosen one as it is now; one that somebody reads further up stays as it is. */
  #readLog(): void {
    const name = this.#selected();
    if (this.#state.page === "log" && this.#state.logUp > 0 && name === this.#log.name) return;
    const { height } = this.#screen.size();
    const lines =
      name === null ? [] : this.#source.log(name, this.#state.page === "log" ? undefined : height);
    this.#log = { name, lines };
  }

  #view(): TopView {
    return { data: this.#source.data, state: this.#state, log: this.#log.lines };
  }

  #draw(): void {
    const size = this.#screen.size();
    this.#screen.draw(renderTop(this.#view(), size, this.#style));
  }
}
