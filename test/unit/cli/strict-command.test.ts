import { describe, expect, test } from "bun:test";
import { runCommand } from "citty";
import { strictCommand, valueHintOf } from "../../../src/cli/strict-command.ts";

const META = { name: "send", description: "Send a message" };

describe("strictCommand()", () => {
  test("strictCommand() hands over its own arguments and the global ones, typed", async () => {
    const command = strictCommand({
      meta: META,
      args: {
        body: { type: "positional", description: "Text" },
        kind: { type: "enum", description: "Kind", options: ["info", "request"] },
        "reply-to": { type: "string", description: "Id" },
        label: { type: "string", description: "Label", repeatable: true },
      },
      run: ({ args }) => {
        const typed: {
          body: string;
          kind: "info" | "request" | undefined;
          replyTo: string | undefined;
          label: readonly string[];
          json: boolean;
          color: boolean | undefined;
          server: string | undefined;
        } = args;
        expect(typed).toMatchObject({ body: "hi", kind: "info", replyTo: "m1", label: ["a=1"], json: true });
        expect(typed.server).toBe("web1");
        expect(typed.color).toBe(false);
        return Promise.resolve(2);
      },
    });
    const rawArgs = ["hi", "--kind=info", "--reply-to", "m1", "--label", "a=1", "--json", "--no-colour"];
    const { result } = await runCommand(command.definition, { rawArgs: [...rawArgs, "--server", "web1"] });
    expect(result).toBe(2);
  });

  test("strictCommand() refuses what it did not declare before run starts", async () => {
    let ran = false;
    const command = strictCommand({
      meta: META,
      run: () => {
        ran = true;
        return Promise.resolve();
      },
    });
    await expect(runCommand(command.definition, { rawArgs: ["--bogus"] })).rejects.toMatchObject({
      code: "USAGE",
    });
    expect(ran).toBe(false);
  });

  test("strictCommand() lets a command redefine a global flag", () => {
    const server = { type: "string", description: "Its id", required: true } as const;
    const command = strictCommand({ meta: META, args: { server }, run: () => Promise.resolve() });
    expect(command.args["server"]).toBe(server);
    expect(Object.keys(command.args)).toEqual(["server", "json", "color", "config", "help"]);
  });

  test("strictCommand() writes the usage line from the definition", () => {
    const command = strictCommand({
      meta: META,
      args: {
        body: { type: "positional", description: "Text" },
        rest: { type: "positional", description: "More", required: false, repeatable: true },
        to: { type: "string", description: "To", required: true, valueHint: "ID" },
        kind: { type: "string", description: "Kind" },
      },
      run: () => Promise.resolve(),
    });
    expect(command.usage).toBe("fleetd send BODY [REST...] --to ID [flags]");
  });
});

describe("valueHintOf()", () => {
  test("valueHintOf() falls back on the name", () => {
    expect(valueHintOf("to", {})).toBe("TO");
    expect(valueHintOf("to", { valueHint: "ID" })).toBe("ID");
  });
});
