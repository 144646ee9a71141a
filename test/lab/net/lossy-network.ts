import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../helpers/temp-git.ts";

/** Two hosts with one wire between them, seen by nobody else. */
export interface LossyNetwork {
  /** Address of the one that serves. */
  readonly address: string;
  /** Words to put before a command that runs on a host. */
  readonly on: Readonly<Record<"server" | "client", readonly string[]>>;
  /** Delay of each packet each way, ms, and how many of a hundred vanish. */
  spoil(delayMs: number, lossPercent: number): Promise<void>;
  close(): Promise<void>;
}

/** The wire looks at its file every 50 ms; chosen: well after that. */
const NOTICED_MS = 200;
const READY_WITHIN_MS = 30_000;

/** Makes the network; null, with the reason printed, where that is not possible. */
export async function openLossyNetwork(folder: string): Promise<LossyNetwork | null> {
  const missing = ["unshare", "nsenter", "ip", "python3"].filter((name) => Bun.which(name) === null);
  if (process.platform !== "linux" || process.getuid?.() !== 0) missing.push("root on Linux");
  if (!existsSync("/dev/net/tun")) missing.push("/dev/net/tun");
  if (missing.length > 0) {
    console.log(`skipped: a network that loses packets: ${missing.join(", ")} is missing`);
    return null;
  }
  const file = join(folder, "wire");
  writeFileSync(file, "0 0");
  const host = () =>
    Bun.spawn(["unshare", "--net", "sleep", "100000"], { stdio: ["ignore", "ignore", "ignore"] });
  const hosts = { server: host(), client: host() };
  const enter = (pid: number): string[] => ["nsenter", "-t", String(pid), "--net", "--"];
  const on = { server: enter(hosts.server.pid), client: enter(hosts.client.pid) };
  const run = (name: keyof typeof hosts, ...words: string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync([...on[name], ...words]);
    if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
  };
  // Until then nsenter would go into the namespace that everybody is in.
  const ownNamespace = (pid: number): boolean =>
    Bun.spawnSync(["readlink", `/proc/${pid}/ns/net`]).stdout.toString() !==
    Bun.spawnSync(["readlink", "/proc/self/ns/net"]).stdout.toString();
  await eventually(() => Object.values(hosts).every((one) => ownNamespace(one.pid)), READY_WITHIN_MS);
  const wire = Bun.spawn([...on.server, "python3", join(import.meta.dir, "lossy-wire.py"), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await wire.stdout.getReader().read();
  run("server", "ip", "link", "set", "e0", "netns", String(hosts.client.pid));
  for (const [name, device, address] of [
    ["server", "v0", "10.77.0.1/24"],
    ["client", "e0", "10.77.0.2/24"],
  ] as const) {
    run(name, "ip", "addr", "add", address, "dev", device);
    run(name, "ip", "link", "set", device, "up");
    run(name, "ip", "link", "set", "lo", "up");
  }
  return {
    address: "10.77.0.1",
    on,
    async spoil(delayMs, lossPercent) {
      writeFileSync(file, `${delayMs} ${lossPercent}`);
      await Bun.sleep(NOTICED_MS);
    },
    async close() {
      for (const child of [wire, hosts.server, hosts.client]) child.kill("SIGKILL");
      await Promise.all([wire.exited, hosts.server.exited, hosts.client.exited]);
    },
  };
}
