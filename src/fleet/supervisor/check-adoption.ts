/** Whether a process that runs already may become the process of an instance: a tree has one owner. */
import { FleetError } from "../../base/errors.ts";
import type { ProcessHost, ProcessIdentity } from "../../base/ports/process-host.ts";
import type { Instance } from "./instance.ts";
import { judgeKill, type KillQuestion } from "./may-kill.ts";
import { nameOf } from "./service-view.ts";

/** What has to be known of the machine for it. */
export type AdoptionQuestion = Pick<KillQuestion, "target" | "selfPid" | "parents">;

const REFUSALS = {
  init: "it is the first process of this system",
  self: "it is this daemon",
  ancestor: "this daemon came of it",
} as const;

/** What is never anybody's service, since nobody could stop it. @throws FleetError BAD_INPUT saying why */
export function checkAdoptable(question: AdoptionQuestion): void {
  const judged = judgeKill({ ...question, ours: [], force: true });
  if (judged.ok || judged.error === "not-ours") return;
  throw refusal(question.target, REFUSALS[judged.error]);
}

/** @throws FleetError BAD_INPUT where the instance is not still, or the process is part of another service */
export function checkAdoption(
  instance: Pick<Instance, "state" | "key" | "definition">,
  identity: ProcessIdentity,
  others: readonly Instance[],
  host: Pick<ProcessHost, "members">,
): void {
  const what = BUSY[instance.state.phase.kind];
  if (what !== null) {
    throw new FleetError(
      "BAD_INPUT",
      `Cannot adopt into "${nameOf(instance)}": it ${what}, need one that does not run`,
    );
  }
  const owner = others.find(
    ({ tree }) =>
      tree !== null &&
      [tree.identity, ...host.members(tree)].some(
        ({ pid, start }) => pid === identity.pid && start === identity.start,
      ),
  );
  if (owner !== undefined) throw refusal(identity, `it is part of "${nameOf(owner)}"`);
}

const BUSY = {
  stopped: null,
  waiting: null,
  blocked: null,
  spawning: "is just being started",
  running: "runs",
  ending: "is just being stopped",
} as const;

const refusal = ({ pid }: ProcessIdentity, why: string): FleetError =>
  new FleetError("BAD_INPUT", `Cannot adopt process ${pid}: ${why}`);
