import { expect, test } from "bun:test";
import { runTool } from "../../../../src/platform/processes/run-tool.ts";

const isUnix = process.platform !== "win32";
if (!isUnix) console.log("skipped: tools of the system (they are sh here)");

test.skipIf(!isUnix)("runTool() answers what a tool prints, whatever its exit code", async () => {
  expect(await runTool(["sh", "-c", "echo $LC_ALL; exit 1"])).toBe("C\n");
  expect(await runTool(["sh", "-c", "cat"])).toBe("");
});

test("runTool() fails where there is no such tool", async () => {
  const failed = await runTool(["fleetd-no-such-tool"]).catch((thrown: unknown) => thrown);
  expect(failed).toMatchObject({ code: "FAILED", message: expect.stringContaining("fleetd-no-such-tool") });
});

test.skipIf(!isUnix)("runTool() fails where the tool was ended in the middle", async () => {
  const failed = await runTool(["sh", "-c", "echo half; kill -9 $$"]).catch((thrown: unknown) => thrown);
  expect(failed).toMatchObject({ code: "FAILED" });
});
