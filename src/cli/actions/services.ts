/** What is done with services from the command line: asked of the daemon, and waited for. */
import { EXIT_CODES, FleetError } from "../../base/errors.ts";
import { describeAwaited, type ServiceView } from "../../fleet/supervisor/service-view.ts";
import { settlesInMs, wasStartedSince } from "../../fleet/supervisor/settling.ts";
import type { ReplaceAnswer, ServiceVerb } from "../../http/service-protocol.ts";
import { commandSignal } from "../command-signal.ts";
import { toDuration } from "../kill-view.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { openProgress } from "../output/progress.ts";
import { safe } from "../output/safe-text.ts";
import { paintState, renderServices, renderUsage } from "../output/service-table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { serviceToJson } from "../service-json.ts";
import { serviceMetrics } from "../service-metrics.ts";
import type { SettingFlags } from "../setting-sources.ts";
import { openSupervisor, type SupervisorClient, watchServices } from "../supervisor-client.ts";

/** Flags that every one of these commands has. */
export interface ServiceFlags extends SettingFlags {
  readonly json: boolean;
  readonly color: boolean | undefined;
}

/** Flags of those that wait. */
export interface WaitFlags extends ServiceFlags {
  readonly wait: boolean;
  readonly timeout: string;
}

/** With `--no-wait`: what cannot be done at all is known within this time. */
const NO_WAIT_MS = 500;

const IS_UP: ReadonlySet<ServiceView["state"]> = new Set(["running", "completed"]);

/** Lists services. */
export async function list(args: ServiceFlags & { readonly name: readonly string[] }): Promise<void> {
  const client = await openSupervisor(args);
  const { services, nowWallMs, containment, notes } = await client.ask((daemon) => daemon.services.list());
  const chosen = choose(services, args.name);
  if (args.json) {
    printJson("list", { containment, notes, services: chosen.map(serviceToJson) });
    return;
  }
  if (chosen.length === 0) {
    printText(
      'No services: define some in fleetd.yaml, or start one with "fleetd start --name web -- COMMAND"',
    );
    return;
  }
  printText(renderServices(chosen, { nowWallMs, style: openStyle(args), width: terminalWidth() }));
}

/** Shows what services use. */
export async function stats(args: ServiceFlags & { readonly name: readonly string[] }): Promise<void> {
  const client = await openSupervisor(args);
  const { services } = await client.ask((daemon) => daemon.services.list());
  const chosen = choose(services, args.name);
  if (args.json) {
    printJson("stats", { metrics: serviceMetrics(chosen), services: chosen.map(serviceToJson) });
    return;
  }
  printText(renderUsage(chosen, openStyle(args), terminalWidth()));
}

/** Starts what is named, or everything. */
export async function start(args: WaitFlags & { readonly name: readonly string[] }): Promise<number> {
  const client = await openSupervisor(args);
  return await actAndWait(client, args, { verb: "start", names: args.name });
}

/** Stops what is named; what needs it stops first. */
export async function stop(
  args: WaitFlags & { readonly name: readonly string[]; readonly all: boolean; readonly now: boolean },
): Promise<number> {
  const client = await openSupervisor(args);
  return await actAndWait(client, args, { verb: args.now ? "kill" : "stop", names: namesOrAll(args) });
}

/** Starts anew; with `--zero-downtime` a new one takes over before the old one goes. */
export async function restart(
  args: WaitFlags & {
    readonly name: readonly string[];
    readonly all: boolean;
    readonly zeroDowntime: boolean;
  },
): Promise<number> {
  const client = await openSupervisor(args);
  const { services } = await client.ask((daemon) => daemon.services.list());
  const chosen = choose(services, namesOrAll(args)).filter((one) => !one.successor);
  const gapless = chosen.filter((one) => args.zeroDowntime || one.zeroDowntime).map(({ name }) => name);
  const others = chosen.map(({ name }) => name).filter((name) => !gapless.includes(name));
  const codes: number[] = [];
  if (gapless.length > 0) codes.push(await replace(client, args, gapless));
  if (others.length > 0) codes.push(await actAndWait(client, args, { verb: "restart", names: others }));
  return Math.max(0, ...codes);
}

/** Stops what was started by command, and forgets it. */
export async function forget(args: WaitFlags & { readonly name: readonly string[] }): Promise<number> {
  const client = await openSupervisor(args);
  return await actAndWait(client, args, { verb: "forget", names: args.name });
}

interface Asked {
  readonly verb: ServiceVerb;
  readonly names: readonly string[];
}

/** Has it done, and waits for what comes of it. Shared with `start` of what is defined by the command itself. */
async function actAndWait(
  client: SupervisorClient,
  args: WaitFlags,
  { verb, names }: Asked,
): Promise<number> {
  const timeoutMs = toDuration(args.timeout);
  const { services } = await client.ask((daemon) => daemon.services.list());
  const before = new Map(services.map((one) => [one.name, one]));
  const { instances } = await client.ask((daemon) => daemon.services.act({ verb, names }));
  return await waitFor(client, args, { verb, instances, before, timeoutMs });
}

interface Awaited {
  readonly verb: ServiceVerb;
  readonly instances: readonly string[];
  /** Each as it was before. */
  readonly before: ReadonlyMap<string, ServiceView>;
  readonly timeoutMs: number;
}

/** Waits until each instance has come to what was asked of it, with progress, and says how it went. */
export async function waitFor(client: SupervisorClient, args: WaitFlags, asked: Awaited): Promise<number> {
  const { verb, instances, before, timeoutMs } = asked;
  const named = new Set(instances);
  const isAwaited = (one: ServiceView): boolean => named.has(one.name) && !one.successor;
  const isDown = verb === "stop" || verb === "kill" || verb === "forget";
  const settlesIn = (one: ServiceView, nowWallMs: number): number => {
    if (isDown) return one.state === "stopped" ? 0 : Number.POSITIVE_INFINITY;
    const isNew = verb !== "restart" || wasStartedSince(before.get(one.name), one);
    return isNew ? settlesInMs(one, nowWallMs) : Number.POSITIVE_INFINITY;
  };
  const progress = openProgress();
  const { answer, isEnough } = await watchServices(client, args.wait ? timeoutMs : 0, (looked) => {
    const open = looked.services
      .filter(isAwaited)
      .map((one) => ({ ...one, inMs: settlesIn(one, looked.nowWallMs) }))
      .filter(({ inMs }) => inMs > 0);
    if (open.length > 0)
      progress.update(`waiting for ${open.map((one) => `${one.name} (${stateInWords(one)})`).join(", ")}`);
    return Math.max(0, ...open.map(({ inMs }) => inMs));
  });
  progress.clear();
  const shown = answer.services.filter(isAwaited);
  const isTold = (one: ServiceView): boolean => Number.isFinite(settlesIn(one, answer.nowWallMs));
  const failed = isDown ? [] : shown.filter((one) => isTold(one) && !IS_UP.has(one.state));
  if (args.json) printJson(verb, { services: shown.map(serviceToJson), settled: isEnough });
  else tell(args, verb, instances, shown);
  if (!args.wait) return 0;
  if (failed.length > 0) return failed.length === shown.length ? 1 : 2;
  return isEnough ? 0 : 75;
}

function tell(
  args: ServiceFlags,
  verb: ServiceVerb,
  instances: readonly string[],
  shown: readonly ServiceView[],
): void {
  const style = openStyle(args);
  if (verb === "forget") {
    for (const name of instances) printText(`${name} forgotten`);
    return;
  }
  for (const one of shown) {
    const pid = one.pid === null ? "" : `, pid ${one.pid}`;
    printText(safe`${one.name} ${paintState(one.state, style)}${pid}${isDownVerb(verb) ? "" : whyOf(one)}`);
  }
}

/** Why it does not run, behind a colon; nothing where it does, or where nothing is known. */
function whyOf({ state, awaits, lastEnd }: ServiceView): string {
  if (awaits.length > 0) return `: ${describeAwaited(awaits)}`;
  return state === "running" || lastEnd === null ? "" : `: ${lastEnd.text}`;
}

const stateInWords = ({ state, awaits }: ServiceView): string =>
  awaits.length === 0 ? state : describeAwaited(awaits);

const isDownVerb = (verb: ServiceVerb): boolean => verb === "stop" || verb === "kill";

async function replace(client: SupervisorClient, args: WaitFlags, names: readonly string[]): Promise<number> {
  const progress = openProgress();
  progress.update(`starting new ones beside ${names.join(", ")}`);
  const timeout = AbortSignal.timeout(args.wait ? toDuration(args.timeout) : NO_WAIT_MS);
  let answer: ReplaceAnswer;
  try {
    answer = await client.ask((daemon) =>
      daemon.services.replace({ names }, AbortSignal.any([commandSignal(), timeout])),
    );
  } catch (thrown) {
    // The monitor goes on with it.
    if (!timeout.aborted) throw thrown;
    if (args.json) printJson("restart", { instances: names, failed: [], unsure: [], settled: false });
    else printText(safe`${names.join(", ")} not replaced yet: the monitor goes on with it`);
    return args.wait ? EXIT_CODES.NOT_YET : 0;
  } finally {
    progress.clear();
  }
  return tellReplaced(args, answer);
}

function tellReplaced({ json }: WaitFlags, { instances, failed, unsure }: ReplaceAnswer): number {
  if (json) printJson("restart", { instances, failed, unsure, settled: true });
  for (const { name, detail } of failed) printNotice(safe`${name} stays as it was: ${detail}`);
  const replaced = instances.filter((name) => !failed.some((one) => one.name === name));
  if (!json) for (const name of replaced) printText(safe`${name} replaced`);
  for (const name of replaced.filter((one) => unsure.includes(one))) {
    printNotice(
      safe`The old run of ${name} may have answered for the new one: give it "listen", or a log or notify probe`,
    );
  }
  if (failed.length === 0) return 0;
  return failed.length === instances.length ? EXIT_CODES.FAILED : EXIT_CODES.PARTIAL;
}

function namesOrAll({ name, all }: { name: readonly string[]; all: boolean }): readonly string[] {
  if (name.length > 0 && all) throw new FleetError("USAGE", "Cannot take names and --all: need one of them");
  if (name.length > 0 || all) return name;
  throw new FleetError("USAGE", "Missing NAME", {
    hint: "Name services, instances or groups, or give --all",
  });
}

/**
 * Those that are named, each once: services, instances or groups, a service before a group of its name; all for none.
 * @throws FleetError BAD_INPUT
 */
export function choose(services: readonly ServiceView[], names: readonly string[]): readonly ServiceView[] {
  if (names.length === 0) return services;
  const chosen = names.flatMap((name) => {
    const named = services.filter((one) => one.name === name || one.service === name);
    const found = named.length > 0 ? named : services.filter((one) => one.groups.includes(name));
    if (found.length > 0) return found;
    const known = services.map((one) => one.name).join(", ") || "none";
    throw new FleetError("BAD_INPUT", `Cannot find service "${name}": there are ${known}`);
  });
  return [...new Set(chosen)];
}
