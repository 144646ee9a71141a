import { describe, expect, test } from "bun:test";
import type { SpawnRequest } from "../../../src/base/ports/process-host.ts";
import { containerBody } from "../../../src/platform/containers/container-body.ts";
import { containerIdIn } from "../../../src/platform/containers/container-owners.ts";
import { engineSocket } from "../../../src/platform/containers/engine.ts";
import { toEngineTime } from "../../../src/platform/containers/follow-log.ts";
import { LogFrames } from "../../../src/platform/containers/log-frames.ts";

function frame(text: string, stream = 1): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + payload.length);
  bytes[0] = stream;
  new DataView(bytes.buffer).setUint32(4, payload.length);
  bytes.set(payload, 8);
  return bytes;
}

describe("LogFrames", () => {
  const [FIRST, SECOND] = ["2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000002Z"];
  const bytes = Buffer.concat([frame(`${FIRST} one two\n`), frame(`${SECOND} \n`, 2)]);

  test("takes off frame and time, however the pieces are cut", () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const frames = new LogFrames();
      const messages = [...frames.push(bytes.subarray(0, cut)), ...frames.push(bytes.subarray(cut))];
      expect(messages.map(({ time, payload }) => [time, new TextDecoder().decode(payload)])).toEqual([
        [FIRST, "one two\n"],
        [SECOND, "\n"],
      ]);
    }
  });

  test("keeps what is not whole yet", () => {
    const frames = new LogFrames();
    expect(frames.push(bytes.subarray(0, 12))).toEqual([]);
  });
});

test("toEngineTime() keeps every nanosecond", () => {
  expect(toEngineTime("1970-01-01T00:00:01.000000002Z")).toBe("1.000000002");
  expect(toEngineTime("1970-01-01T00:00:01.5Z")).toBe("1.500000000");
  expect(toEngineTime("1970-01-01T00:01:00Z")).toBe("60.000000000");
});

test("engineSocket() takes sockets of this machine and no other address", () => {
  expect(engineSocket({})).toBe("/var/run/docker.sock");
  expect(engineSocket({ DOCKER_HOST: "unix:///run/user/1000/docker.sock" })).toBe(
    "/run/user/1000/docker.sock",
  );
  expect(() => engineSocket({ DOCKER_HOST: "tcp://10.0.0.1:2375" })).toThrow("need unix:///PATH");
});

test("containerIdIn() finds the container of Docker and Podman, with and without systemd", () => {
  const id = "0123456789abcdef".repeat(4);
  expect(containerIdIn(`0::/docker/${id}\n`)).toBe(id);
  expect(containerIdIn(`0::/system.slice/docker-${id}.scope\n`)).toBe(id);
  expect(containerIdIn(`0::/machine.slice/libpod-${id}.scope/container\n`)).toBe(id);
  expect(containerIdIn("0::/user.slice/user-0.slice\n")).toBeNull();
});

describe("containerBody()", () => {
  const request: SpawnRequest = {
    command: [],
    cwd: "/",
    environment: { WORD: "a=b" },
    run: "run",
    output: "/spool",
    user: null,
    group: null,
    name: "web",
    limits: { memoryBytes: null, cpus: null, pids: null },
    listeners: [],
  };
  const container = {
    image: "nginx",
    pull: "missing",
    ports: ["80:8080", "127.0.0.1:53:53/udp", "[::1]:81:8080"],
    volumes: ["/data:/data:ro"],
    network: null,
    workingFolder: null,
  } as const;

  test("publishes each port at its address, and leaves to the image what is not said", () => {
    expect(containerBody(request, container, {})).toEqual({
      Image: "nginx",
      Env: ["WORD=a=b"],
      Labels: {},
      ExposedPorts: { "8080/tcp": {}, "53/udp": {} },
      HostConfig: {
        PortBindings: {
          "8080/tcp": [
            { HostIp: "", HostPort: "80" },
            { HostIp: "::1", HostPort: "81" },
          ],
          "53/udp": [{ HostIp: "127.0.0.1", HostPort: "53" }],
        },
        Binds: ["/data:/data:ro"],
        RestartPolicy: { Name: "no" },
      },
    });
  });

  test("hands on command, folder, network, user and limits", () => {
    const limits = { memoryBytes: 1024, cpus: 0.5, pids: 7 };
    const body = containerBody(
      { ...request, command: ["a", "b"], user: "web", group: "100", limits },
      { ...container, ports: [], workingFolder: "/app", network: "backend" },
      { label: "x" },
    );
    expect(body).toMatchObject({
      Cmd: ["a", "b"],
      WorkingDir: "/app",
      User: "web:100",
      Labels: { label: "x" },
      HostConfig: { NetworkMode: "backend", Memory: 1024, MemorySwap: 1024, NanoCpus: 5e8, PidsLimit: 7 },
    });
  });
});
