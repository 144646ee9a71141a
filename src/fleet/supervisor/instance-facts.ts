/** What an instance and its surroundings are to the machine in `decide-instance.ts`. */
import type { RestartRules } from "./decide-restart.ts";
import type { InstanceFacts, InstanceState } from "./instance-model.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";
import type { InstanceKey } from "./service-store.ts";

/** What holds now. */
export const factsOf = (
  definition: ServiceDefinition,
  { clock, random, mayStart }: Pick<InstanceWorld, "clock" | "random" | "mayStart">,
): InstanceFacts => ({
  nowMonoMs: clock.monotonicMs(),
  random: random(),
  rules: rulesOf(definition),
  startTimeoutMs: definition.startTimeoutMs,
  mayStart: mayStart(definition),
});

/** Whether it does something else now. */
export const isOtherPhase = ({ phase: one }: InstanceState, { phase: other }: InstanceState): boolean =>
  one.kind !== other.kind ||
  (one.kind === "running" && other.kind === "running" && one.ready !== other.ready);

/** The policy and its figures. */
export const rulesOf = ({ restart, pacing }: ServiceDefinition): RestartRules => ({
  ...pacing,
  policy: restart,
});

/** The name of the control group of a run. */
export const groupNameOf = ({ service, number }: InstanceKey, run: string): string =>
  `${service}.${number}.${run.slice(0, 8)}`;
