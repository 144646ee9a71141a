/** What commands and the daemon that supervises say to each other about services; part of the control socket. */
import type { ProcessIdentity } from "../base/ports/process-host.ts";
import type { ServiceDetail } from "../fleet/supervisor/service-detail.ts";
import type { ServiceView } from "../fleet/supervisor/service-view.ts";

/** What asks for a look at what services use, in the query of `list`; the daemon looks at most once a second. */
export const FRESH_QUERY = "fresh";

/** Paths of the control socket. */
export const SERVICE_PATHS = {
  list: "/v1/services",
  act: "/v1/services/act",
  give: "/v1/services/give",
  adopt: "/v1/services/adopt",
  replace: "/v1/services/replace",
  detail: "/v1/services/detail",
} as const;

/** Answer of `list`. */
export interface ServicesAnswer {
  readonly services: readonly ServiceView[];
  /** The revision of the daemon as of this answer, to wait for the next change. */
  readonly revision: number;
  /** How trees of processes are held together here, and what the system does not enforce, in words. */
  readonly containment: string;
  readonly notes: readonly string[];
  readonly nowWallMs: number;
}

/** Body of `detail`: names of services, instances or groups; none means all. */
export interface DetailCall {
  readonly names: readonly string[];
}

/** Answer of `detail`. */
export interface DetailAnswer {
  readonly services: readonly ServiceDetail[];
  readonly containment: string;
  readonly notes: readonly string[];
  readonly nowWallMs: number;
}

/** What is done with services. `forget` stops them first. */
export const SERVICE_VERBS = ["start", "stop", "kill", "restart", "forget"] as const;
export type ServiceVerb = (typeof SERVICE_VERBS)[number];

/** Body of `act`: names of services, instances or groups; none means all. */
export interface ActCall {
  readonly verb: ServiceVerb;
  readonly names: readonly string[];
  /** Of `kill`: the signal that is sent to everything; null means stop at once. */
  readonly signal?: string | undefined;
  /** Of `kill` with a signal: only tell what would get it. */
  readonly dryRun?: boolean | undefined;
}

/** An instance that has processes, and which. */
export interface ReachedInstance {
  readonly name: string;
  readonly pids: readonly number[];
}

/** Answer of `act`, `give` and `adopt`: the instances that were meant. What becomes of them is seen in `list`. */
export interface ActAnswer {
  readonly instances: readonly string[];
  readonly revision: number;
  /** Of `kill` with a signal: those of the instances that something was there of, and what. */
  readonly reached?: readonly ReachedInstance[];
}

/** Body of `give`: definitions as a file has them, which are kept, and started. */
export interface GiveCall {
  readonly definitions: readonly { readonly name: string; readonly definition: unknown }[];
  /** Whether a service of this name that was given before is defined anew. */
  readonly replace: boolean;
}

/** Body of `adopt`: a process that runs becomes the process of a service. */
export interface AdoptCall {
  readonly name: string;
  readonly process: ProcessIdentity;
}

/** Answer of `replace`, whose body is an `act` without a verb: what went wrong, by instance. */
export interface ReplaceAnswer extends ActAnswer {
  /** Instances whose probe may have been answered by the run that was there before. */
  readonly unsure: readonly string[];
  readonly failed: readonly { readonly name: string; readonly detail: string }[];
}

/** Body of `replace`. */
export interface ReplaceCall {
  readonly names: readonly string[];
}
