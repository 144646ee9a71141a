import type { Clock } from "../base/ports/clock.ts";
import type { MonitorEvent, Report } from "./events.ts";

type Operation = Extract<MonitorEvent, { kind: "operation" }>;

/** What came of an operation, for its event; `null` when it is not worth one. */
export type Verdict = Pick<Operation, "success" | "metadata"> | null;

/**
 * Does `work` and reports how long it took as one `operation` event. What it throws is a failed operation, and is
 * thrown on; a `work` that was cut off because the daemon ends is none.
 */
export async function measured<T>(
  watch: { readonly clock: Clock; readonly report: Report; readonly signal: AbortSignal },
  type: string,
  work: () => T | Promise<T>,
  judge: (result: T) => Verdict,
): Promise<T> {
  const startMonoMs = watch.clock.monotonicMs();
  const tell = (verdict: Verdict): void => {
    if (verdict === null || (!verdict.success && watch.signal.aborted)) return;
    const durationMs = watch.clock.monotonicMs() - startMonoMs;
    watch.report({ kind: "operation", type, durationMs, ...verdict });
  };
  let result: T;
  try {
    result = await work();
  } catch (thrown) {
    tell({ success: false, metadata: {} });
    throw thrown;
  }
  tell(judge(result));
  return result;
}
