import { describe, expect, test } from "bun:test";
import { printJson, printNotice, printText } from "../../../../src/cli/output/print-answer.ts";
import { SafeText } from "../../../../src/cli/output/safe-text.ts";
import { captureConsole } from "../../../helpers/captured-console.ts";

const { stdout, stderr } = captureConsole();

describe("printJson()", () => {
  test("printJson() names the schema first and escapes what a terminal must not get", () => {
    printJson("send", { id: "m1", subject: "a\u202Eb\u009B" });
    expect(stdout()).toBe('{"schema":"fleetd.send/1","id":"m1","subject":"a\\u202eb\\u009b"}');
  });
});

describe("printText()", () => {
  test("printText() makes a string visible and keeps its newlines", () => {
    printText("a\n\u001Bb");
    expect(stdout()).toBe("a\n␛b");
  });

  test("printText() prints SafeText as it is", () => {
    printText(new SafeText("\u001B[1mb\u001B[22m"));
    expect(stdout()).toBe("\u001B[1mb\u001B[22m");
  });
});

describe("printNotice()", () => {
  test("printNotice() keeps stdout for the answer", () => {
    printNotice("a\u0007");
    expect(stderr()).toBe("a␇");
    expect(stdout()).toBe("");
  });
});
