import type { NotifyMessage } from "../../base/notify-message.ts";

/** What a service has said of itself so far. */
export interface NotifyState {
  readonly isReady: boolean;
  readonly status: string | null;
  /** When it gave its last sign of life (monotonic). */
  readonly aliveMonoMs: number;
  /** It said itself that it is not well. */
  readonly isTriggered: boolean;
}

/** What holds before it has said anything. `wasReady`: it did, to an earlier daemon. */
export const openNotifyState = (nowMonoMs: number, wasReady: boolean): NotifyState => ({
  isReady: wasReady,
  status: null,
  aliveMonoMs: nowMonoMs,
  isTriggered: false,
});

/** What a message makes of it. Whatever a service says is a sign of life only where it says so. */
export function hearNotify(state: NotifyState, message: NotifyMessage, nowMonoMs: number): NotifyState {
  const isAway = message.isReloading || message.isStopping;
  return {
    isReady: message.isReady || (state.isReady && !isAway),
    status: message.status ?? state.status,
    aliveMonoMs: message.watchdog === "alive" || message.isReady ? nowMonoMs : state.aliveMonoMs,
    isTriggered: message.watchdog === "trigger" || (state.isTriggered && message.watchdog === null),
  };
}
