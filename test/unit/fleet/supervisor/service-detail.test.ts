import { expect, test } from "bun:test";
import type { ProbeTarget } from "../../../../src/fleet/supervisor/model.ts";
import { describeTarget, detailOf } from "../../../../src/fleet/supervisor/service-detail.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";
import { serviceView } from "../../../helpers/service-views.ts";

const FACTS = { view: serviceView("web"), processes: [], listeners: [] };

async function started(file: Record<string, unknown>) {
  const memory = new MemorySupervisor();
  memory.supervisor.begin([knownOf("web", file)], new Set());
  await memory.settle();
  const [instance] = memory.supervisor.find(["web"]);
  if (instance === undefined) throw new Error("no instance");
  return { memory, instance };
}

test("detailOf() tells the names of variables and nothing of what is in them", async () => {
  const { instance } = await started({ env: { PASSWORD: "geheim", A: "file:/secret" } });
  const detail = detailOf(instance, FACTS);
  expect(detail.variables).toEqual(["A", "PASSWORD"]);
  expect(JSON.stringify(detail)).not.toMatch(/geheim|secret/);
});

test("detailOf() has what is asked of probes, and no answer before there is one", async () => {
  const { instance } = await started({ probes: { readiness: { http: "http://127.0.0.1:80/health" } } });
  expect(detailOf(instance, FACTS).probes).toMatchObject([
    { name: "readiness", target: "http://127.0.0.1:80/health", isWell: null, detail: null },
  ]);
});

test("detailOf() has the last ends, newest first, and since when it is as it is", async () => {
  const { memory, instance } = await started({});
  const since = detailOf(instance, FACTS).sinceWallMs;
  expect(since).toBe(memory.clock.wallMs());
  for (const code of [3, 4]) {
    memory.host.end(instance.tree?.run ?? "", { kind: "code", code });
    await memory.settle();
    await memory.clock.advance(2_000);
    await memory.settle();
  }
  expect(detailOf(instance, FACTS).ends.map(({ text }) => text)).toEqual(["exit code 4", "exit code 3"]);
});

test.each<[ProbeTarget, string]>([
  [
    {
      kind: "http",
      host: "::1",
      port: 80,
      path: "/x?y",
      statuses: null,
      headers: { Authorization: "geheim" },
    },
    "http://[::1]:80/x?y",
  ],
  [{ kind: "tcp", host: "127.0.0.1", port: 5432 }, "tcp 127.0.0.1:5432"],
  [{ kind: "exec", command: ["pg_isready", "-q"] }, "exec pg_isready -q"],
  [{ kind: "log", pattern: "listening" }, "a line that matches listening"],
  [{ kind: "notify" }, "what it says over NOTIFY_SOCKET"],
])("describeTarget(%p) is %p", (target, words) => {
  expect(describeTarget(target)).toBe(words);
});
