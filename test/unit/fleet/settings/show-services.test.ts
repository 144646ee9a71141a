import { expect, test } from "bun:test";
import { parseServicesFile } from "../../../../src/fleet/settings/model.ts";
import { outlineServices, showServices } from "../../../../src/fleet/settings/show-services.ts";

const services = {
  timeout: {
    command: ["x", "--token=abc", "postgres://u:pw@h/db"],
    env: { DB_PASSWORD: "hunter22", API_TOKEN: "env:TOK", timeout: "5" },
    stop: { timeout: "1m" },
    limits: { memory: "64 MiB", pids: 5 },
    probes: {
      readiness: { http: { port: 80, headers: { Authorization: "Basic x" } }, interval: "500ms" },
    },
    logs: { keep: "7d", total: "1 GiB" },
  },
};

function parsed(): unknown {
  const read = parseServicesFile({ services });
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return read.value;
}

test("showServices() speaks as the file does, and hides what bears the name of a secret", () => {
  expect(showServices(parsed())).toEqual({
    timeout: {
      command: ["x", "--token=abc", "postgres://u:***@h/db"],
      env: { DB_PASSWORD: "***", API_TOKEN: "env:TOK", timeout: "5" },
      stop: { timeout: "1m" },
      limits: { memory: "64 MiB", pids: 5 },
      probes: {
        readiness: { http: { port: 80, headers: { Authorization: "***" } }, interval: "500ms" },
      },
      logs: { keep: "7d", total: "1 GiB" },
    },
  });
});

test("outlineServices() keeps programs and the names of variables, and nothing else that somebody wrote", () => {
  const text = JSON.stringify(outlineServices(parsed()));
  for (const secret of ["token=abc", "pw@", "hunter22", "env:TOK", "Basic"])
    expect(text).not.toContain(secret);
  expect(outlineServices(parsed())).toMatchObject({
    timeout: { command: ["x", "***", "***"], env: ["DB_PASSWORD", "API_TOKEN", "timeout"] },
  });
});
