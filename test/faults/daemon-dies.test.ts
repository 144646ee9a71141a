// A command that talks to a daemon which dies in the middle of its answer.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";

/** Takes requests on the control socket of `server` and dies after a few bytes of each answer; answers what it read. */
function startDyingDaemon(sandbox: FleetSandbox, server: string) {
  const requests: string[] = [];
  const listener = Bun.listen({
    unix: join(sandbox.filesOf(server).folder, "control.sock"),
    socket: {
      data(socket, bytes) {
        requests.push(bytes.toString());
        socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
        socket.end();
      },
    },
  });
  return { requests, stop: () => listener.stop(true) };
}

for (const wait of ["pushed", "queued"]) {
  test.skipIf(process.platform === "win32")(
    `send --wait ${wait} keeps the message's id when the daemon dies before it answers`,
    async () => {
      const sandbox = new FleetSandbox();
      try {
        await sandbox.init("a");
        const daemon = startDyingDaemon(sandbox, "a");
        const result = await sandbox.send("a", { to: "b", body: "once", more: ["--wait", wait] });
        daemon.stop();
        expect(result.exitCode).toBe(0);
        await sandbox.send("a", { to: "b", body: "and on" });
        const [message] = readLogs(sandbox).filter((entry) => entry.body === "once");
        const asked = daemon.requests.filter((request) => request.startsWith("POST /v1/send"));
        expect(asked.length).toBeGreaterThan(0);
        for (const request of asked) expect(request).toContain(`"id":"${message?.id}"`);
      } finally {
        await sandbox.close();
      }
    },
  );
}
