import { expect, test } from "bun:test";
import { listAlarms } from "../../../../src/fleet/messaging/index-troubles.ts";
import { createIndexWriter } from "../../../../src/fleet/messaging/index-writer.ts";
import { ingestLog } from "../../../../src/fleet/messaging/ingest-log.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import { MemoryFleet, PATIENTLY } from "../../../helpers/memory-fleet.ts";

test("ingestLog() takes what is new once, and says how much that was", async () => {
  const fleet = new MemoryFleet();
  const [writer, reader] = [await fleet.add("code1"), await fleet.add("code2")];
  await reader.receive();
  await writer.send({ to: ["code2"] });
  await writer.send({ to: ["code2"] });
  const ports = reader.receivePorts;
  await ports.remote.fetch([`+${writer.logRef}:${writer.logRef}`], PATIENTLY);
  const log = { server: "code1", tip: fleet.remote.refs.get(writer.logRef) ?? "" };
  const index = createIndexWriter(ports.index);
  expect(await ingestLog(ports, log, index)).toEqual({ taken: true, accepted: 2, quarantined: 0 });
  index.commit();
  expect(loadProgress(ports.index, "code1")).toMatchObject({ seq: 3, tip: log.tip });
  expect(await ingestLog(ports, log, index)).toEqual({ taken: false, accepted: 0, quarantined: 0 });
});

test("ingestLog() raises an alarm about a log that contradicts what is known, and takes nothing", async () => {
  const fleet = new MemoryFleet();
  const [writer, other, reader] = [
    await fleet.add("code1"),
    await fleet.add("code3"),
    await fleet.add("code2"),
  ];
  await reader.receive();
  const ports = reader.receivePorts;
  const log = { server: "code1", tip: fleet.remote.refs.get(other.logRef) ?? "" };
  for (let look = 0; look < 2; look += 1) {
    expect(await ingestLog(ports, log, createIndexWriter(ports.index))).toBeNull();
  }
  expect(listAlarms(ports.index)).toMatchObject([{ server: "code1", kind: "rewritten" }]);
  expect(loadProgress(ports.index, "code1")?.tip).toBe(fleet.remote.refs.get(writer.logRef) ?? "");
});
