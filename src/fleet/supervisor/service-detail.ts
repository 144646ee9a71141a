/** Everything there is to know of one instance: what `status NAME` shows, over the control socket and as JSON. */
import type { ProcessLimits } from "../../base/ports/process-host.ts";
import { describeEnd, type EndReason } from "./decide-restart.ts";
import type { Instance } from "./instance.ts";
import type { Dependency, Probe, Probes, ProbeTarget } from "./model.ts";
import type { ProbeName } from "./probe-state.ts";
import type { ServiceView } from "./service-view.ts";

/** How a run ended; the text may be hostile. */
export interface ShownEnd {
  readonly kind: EndReason["kind"];
  readonly text: string;
  readonly atWallMs: number;
}

/** A probe with what it said last. */
export interface ShownProbe {
  readonly name: ProbeName;
  /** What it asks, in words. */
  readonly target: string;
  readonly intervalMs: number;
  /** Null: it has not been asked in this run, or it is over. */
  readonly isWell: boolean | null;
  /** Hostile text. */
  readonly detail: string | null;
}

/** One process of the tree. Null: the system does not tell. */
export interface ShownProcess {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly cpuMs: number | null;
  readonly residentBytes: number | null;
}

/** An address that one of its processes listens on. */
export interface ShownListener {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  readonly pid: number;
}

/** See the head of this file. Of the environment only the names are told: values may be secrets. */
export interface ServiceDetail {
  readonly view: ServiceView;
  /** Since when it does what it does; null: since an earlier daemon. */
  readonly sinceWallMs: number | null;
  readonly isShell: boolean;
  /** Null: the home folder of its user. */
  readonly cwd: string | null;
  /** Null: as the daemon. */
  readonly user: string | null;
  readonly group: string | null;
  readonly variables: readonly string[];
  readonly envFiles: readonly string[];
  readonly image: string | null;
  readonly dependsOn: readonly Dependency[];
  readonly limits: ProcessLimits;
  readonly stop: { readonly signal: string; readonly timeoutMs: number };
  readonly isEnabled: boolean;
  readonly probes: readonly ShownProbe[];
  /** Newest first; those of this daemon, and the last one before it. */
  readonly ends: readonly ShownEnd[];
  readonly processes: readonly ShownProcess[];
  readonly listeners: readonly ShownListener[];
}

/** What an instance does not know itself. */
export interface DetailFacts {
  readonly view: ServiceView;
  readonly processes: readonly ShownProcess[];
  readonly listeners: readonly ShownListener[];
}

/** All of an instance. */
export function detailOf(instance: Instance, facts: DetailFacts): ServiceDetail {
  const { definition } = instance;
  const { cwd, user, group, env, envFiles, dependsOn, limits, stop, enabled, command, container } =
    definition;
  return {
    ...facts,
    sinceWallMs: instance.record.changedWallMs,
    isShell: command?.shell ?? false,
    cwd,
    user,
    group,
    variables: Object.keys(env).sort(),
    envFiles,
    image: container?.image ?? null,
    dependsOn,
    limits,
    stop: { signal: stop.signal, timeoutMs: stop.timeoutMs },
    isEnabled: enabled,
    probes: probesOf(instance.probes, instance.probeAnswers),
    ends: instance.record.ends.map(({ why, atWallMs }) => ({
      kind: why.kind,
      text: describeEnd(why),
      atWallMs,
    })),
  };
}

/** What probes said last, by name. */
export type ProbeAnswers = Readonly<
  Partial<Record<ProbeName, { readonly isWell: boolean; readonly detail: string } | null>>
>;

const NAMES: readonly (keyof Probes)[] = ["startup", "readiness", "liveness"];

function probesOf(probes: Probes, answers: ProbeAnswers): readonly ShownProbe[] {
  return NAMES.flatMap((name) => {
    const probe: Probe | null = probes[name];
    if (probe === null) return [];
    const answer = answers[name] ?? null;
    return [
      {
        name,
        target: describeTarget(probe.target),
        intervalMs: probe.intervalMs,
        isWell: answer?.isWell ?? null,
        detail: answer?.detail ?? null,
      },
    ];
  });
}

/** What a probe asks, in words; headers are not told, they may be secrets. */
export function describeTarget(target: ProbeTarget): string {
  switch (target.kind) {
    case "http":
      return `http://${bracketed(target.host)}:${target.port}${target.path}`;
    case "tcp":
      return `tcp ${bracketed(target.host)}:${target.port}`;
    case "exec":
      return `exec ${target.command.join(" ")}`;
    case "log":
      return `a line that matches ${target.pattern}`;
    case "notify":
      return "what it says over NOTIFY_SOCKET";
  }
}

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);
