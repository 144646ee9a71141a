import { beforeEach, expect, test } from "bun:test";
import { DaemonState } from "../../../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../../../src/daemon/events.ts";
import { alarmFleet } from "../../../../src/daemon/supervision/crash-alarm.ts";
import { listInbox } from "../../../../src/fleet/messaging/mailbox-queries.ts";
import { completeSettings } from "../../../../src/fleet/settings/complete-settings.ts";
import type { EndReason } from "../../../../src/fleet/supervisor/decide-restart.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
let daemon = new DaemonState(fleet.clock);
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("db2");
  daemon = new DaemonState(fleet.clock);
});

const looping = (why: EndReason, name = "web:1"): MonitorEvent => ({
  kind: "service",
  name,
  report: { kind: "looping", why, failures: 5 },
});
const alarm = (event: MonitorEvent, notify: readonly string[] = ["db2"]): void => {
  const settings = completeSettings({ supervisor: { notify: [...notify] } });
  alarmFleet({ mailbox: me, daemon, options: { settings: () => settings }, sendPorts: me.sendPorts }, event);
};
/** What the other server has got after everything was pushed. */
async function arrived() {
  await me.flush();
  await other.receive();
  return listInbox(other.index, { limit: 100 }).map(({ message }) => message);
}

test("alarmFleet() tells those who are to know, once for a loop", async () => {
  alarm(looping({ kind: "code", code: 3 }));
  const messages = await arrived();
  expect(messages).toMatchObject([{ from: "code1" }]);
});

test("alarmFleet() says what it was, in words, and that no person wrote it", async () => {
  alarm(looping({ kind: "signal", signal: "SIGSEGV" }));
  const [message] = await arrived();
  expect(message).toMatchObject({
    subject: "Service web:1 of code1 is in a crash loop",
    body: "It failed 5 times in a row, the last time: ended by SIGSEGV. It is tried again slowly.",
    kind: "error",
    priority: "high",
    auto: true,
  });
  expect(other.answer()).toMatchObject([{ act: "nothing", silence: "automatic" }]);
});

test("alarmFleet() has it pushed at once", () => {
  let isRung = false;
  daemon.pushBell.ring = () => {
    isRung = true;
  };
  alarm(looping({ kind: "oom" }));
  expect(isRung).toBe(true);
  expect(daemon.inConversation).toBe(true);
});

test("alarmFleet() says nothing where nobody is to be told, and of nothing else that happens", async () => {
  alarm(looping({ kind: "oom" }), []);
  const why = { kind: "code", code: 3 } as const;
  alarm({ kind: "service", name: "web", report: { kind: "ended", why, againMs: 60_000 } });
  alarm({ kind: "service", name: "web", report: { kind: "ready", afterMs: 5 } });
  alarm({ kind: "pushed", entries: 1 });
  expect(await arrived()).toEqual([]);
});

test("alarmFleet() takes hostile words of a service, and long ones", async () => {
  alarm(looping({ kind: "probe", detail: `\u001b[31m\u0000\n${"x".repeat(100_000)}` }, "n".repeat(63)));
  expect(await arrived()).toHaveLength(1);
});
