import { expect, test } from "bun:test";
import { DaemonState } from "../../../src/daemon/daemon-state.ts";
import { renderStatusReply } from "../../../src/daemon/status-reply.ts";
import { setForgotten } from "../../../src/fleet/messaging/peers.ts";
import { MemoryFleet } from "../../helpers/memory-fleet.ts";

test("renderStatusReply() says how the server is, a line each, and nothing of what others wrote", async () => {
  const fleet = new MemoryFleet();
  const me = await fleet.add("code1");
  for (const name of ["code2", "code3", "code4"]) await fleet.add(name);
  await me.receive();
  setForgotten(me.state, "code4", 1);
  const daemon = new DaemonState(fleet.clock);
  const render = (): string[] =>
    renderStatusReply({ identity: me.identity, daemon, version: "1.2.3", ports: me.receivePorts }).split(
      "\n",
    );
  await fleet.clock.advance(65_000);
  me.queue({ to: ["code2"] });
  daemon.autoReplies = 4;
  expect(render()).toEqual([
    "code1 has been up for 1 min 5 s (fleetd 1.2.3)",
    "remote: reachable",
    "waiting to be sent: 1",
    "automatic answers since the start: 4",
    "other servers: 2",
  ]);
  daemon.noteTrouble("fetch", "\u001b[31mhostile");
  expect(render()[1]).toBe("remote: in trouble");
});
