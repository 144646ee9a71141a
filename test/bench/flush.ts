import { flushNow, queueDrafts } from "../../src/daemon/flush-now.ts";
import { serverFacts } from "../../src/daemon/server-facts.ts";
import { draftMessage } from "../../src/fleet/messaging/send-message.ts";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemCryptography } from "../../src/platform/cryptography.ts";
import type { Bench } from "./context.ts";
import { timed } from "./measure.ts";
import { absoluteRow } from "./row.ts";
import { makeServer } from "./servers.ts";

const MESSAGES = 1000;

/** 1,000 queued messages brought to a file remote by one flush; in this process, so that the flush alone is timed. */
export const flush: Bench = {
  name: "flush",
  async run(context) {
    const mailbox = (await makeServer(context, "flusher", context.temp.bare())).open();
    const signal = new AbortController().signal;
    const rates: number[] = [];
    try {
      for (let turn = 0; turn <= context.runs(7); turn += 1) {
        queueDrafts(mailbox, Array.from({ length: MESSAGES }, draft), systemClock.wallMs());
        const facts = serverFacts("0.0.0", { groups: [], labels: {} }, null);
        const request = { drafts: [], facts, rules: DEFAULT_SETTINGS, timeoutMs: 60_000, signal };
        const durationMs = await timed(async () => {
          const { status } = await flushNow(mailbox, request);
          if (status !== "pushed") throw new Error(`flush ended ${status}`);
        });
        if (turn > 0) rates.push(MESSAGES / (durationMs / 1000));
      }
    } finally {
      await mailbox.close();
    }
    const what = "1,000 queued messages, one flush to a file remote";
    return [
      absoluteRow({ name: "flush", what, unit: "messages/s", direction: "at-least", limit: 5000 }, rates),
    ];
  },
};

function draft() {
  const request = { to: ["all"], subject: "Measured", body: "One of a thousand messages of usual length." };
  const from = { server: "flusher", clock: systemClock, cryptography: systemCryptography };
  const made = draftMessage(request, from);
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
