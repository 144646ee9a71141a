/** What a daemon that begins to supervise does with an instance that it finds noted. */
import { decideRestart, type RestartRules } from "./decide-restart.ts";
import type { NotedInstance } from "./service-store.ts";

/** `start`: nothing of it runs and it should; `take`: its run is looked for; `rest`: it stays as it is. */
export type LoadDecision = "start" | "take" | "rest";

/**
 * `noted` null: it was never seen. `isEnabled`: whether the configuration starts it. `boot`: this start of the system,
 * null where it cannot be told from the one before.
 */
export function decideLoad(
  noted: NotedInstance | null,
  rules: RestartRules,
  now: { readonly isEnabled: boolean; readonly boot: string | null },
): LoadDecision {
  if (noted === null) return now.isEnabled ? "start" : "rest";
  const isNewBoot = now.boot !== null && noted.boot !== null && now.boot !== noted.boot;
  if (isNewBoot) {
    // Nothing outlives the system. "always" means after each start of it, whatever a person did before.
    return noted.wanted || rules.policy === "always" ? "start" : "rest";
  }
  if (noted.run !== null) return "take";
  if (!noted.wanted) return "rest";
  return isOver(noted, rules) ? "rest" : "start";
}

/** Whether it did what it was for, or its policy let it be: a new daemon is no reason to start it again. */
function isOver({ lastEnd, history }: NotedInstance, rules: RestartRules): boolean {
  if (lastEnd === null) return false;
  return decideRestart(rules, history, lastEnd, { nowMonoMs: 0, random: 0 }).kind === "stay";
}
