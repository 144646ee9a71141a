import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EXIT_CODES, FleetError } from "../../../src/base/errors.ts";
import type { ArgumentDefinitions } from "../../../src/cli/argument.ts";
import { indexFlags, parseWords } from "../../../src/cli/parse-words.ts";

const ARGS = {
  body: { type: "positional", description: "Text" },
  subject: { type: "positional", description: "Subject", required: false },
  to: { type: "string", description: "To", alias: ["t", "recipient"], default: "all" },
  kind: { type: "enum", description: "Kind", options: ["info", "request"], default: "info" },
  label: { type: "string", description: "Label", repeatable: true },
  "reply-to": { type: "string", description: "Id" },
  "require-ack": { type: "boolean", description: "Ack", alias: "a" },
  wait: { type: "boolean", description: "Wait", default: true, alias: "w" },
  color: { type: "boolean", description: "Colour", optional: true },
} as const satisfies ArgumentDefinitions;

const parse = (...words: string[]) =>
  parseWords({ name: "send", args: ARGS, usage: "fleetd send BODY [SUBJECT] [flags]" }, words);

function refusal(...words: string[]): FleetError {
  try {
    parse(...words);
  } catch (thrown) {
    if (thrown instanceof FleetError) return thrown;
  }
  throw new Error(`Accepted: ${words.join(" ")}`);
}

describe("parseWords() accepts", () => {
  test("parseWords() fills in defaults", () => {
    expect(parse("hi")).toEqual({
      body: "hi",
      subject: undefined,
      to: "all",
      kind: "info",
      label: [],
      replyTo: undefined,
      requireAck: false,
      wait: true,
      color: undefined,
    });
  });

  test.each([
    [["--to", "web1", "hi"]],
    [["hi", "--to=web1"]],
    [["-t", "web1", "hi"]],
    [["-tweb1", "hi"]],
    [["-t=web1", "hi"]],
    [["-at", "web1", "hi"]],
    [["--recipient", "web1", "hi"]],
  ])("parseWords() reads a value from %j", (words) => {
    expect(parse(...words)).toMatchObject({ to: "web1", body: "hi" });
  });

  test("parseWords() reads booleans, their negation and their values", () => {
    expect(parse("hi", "--require-ack", "--no-wait", "--no-color")).toMatchObject({
      requireAck: true,
      wait: false,
      color: false,
    });
    expect(parse("hi", "--wait=false", "--color=true")).toMatchObject({ wait: false, color: true });
    expect(parse("hi", "-aw")).toMatchObject({ requireAck: true, wait: true });
  });

  test("parseWords() collects what may be repeated, in order", () => {
    expect(parse("hi", "--label", "a=1", "--label=b=2")).toMatchObject({ label: ["a=1", "b=2"] });
  });

  test("parseWords() takes everything after -- as words, and - as a word", () => {
    expect(parse("--to", "web1", "--", "--dry-run", "--")).toMatchObject({
      body: "--dry-run",
      subject: "--",
    });
    expect(parse("-")).toMatchObject({ body: "-" });
    expect(parse("hi", "--to", "-")).toMatchObject({ to: "-" });
    expect(parse("hi", "--to=--all")).toMatchObject({ to: "--all" });
    expect(parse("hi", "--to=")).toMatchObject({ to: "" });
  });

  test("parseWords() gives the last positional every word that is left", () => {
    const args = { name: { type: "positional", description: "Name", repeatable: true } } as const;
    const command = { name: "stop", args, usage: "fleetd stop NAME..." };
    expect(parseWords(command, ["a", "b", "c"])).toEqual({ name: ["a", "b", "c"] });
    expect(() => parseWords(command, [])).toThrow("Missing NAME");
  });
});

describe("parseWords() refuses", () => {
  test.each([
    [["hi", "--intervall"], 'Unknown flag "--intervall"'],
    [["hi", "--tto", "x"], 'Unknown flag "--tto", did you mean "--to"?'],
    [["hi", "-to"], 'Unknown flag "-to", did you mean "--to"?'],
    [["hi", "--no-wiat"], 'Unknown flag "--no-wiat", did you mean "--no-wait"?'],
    [["hi", "--no-to"], 'Unknown flag "--no-to"'],
    [["hi", "--no-x"], 'Unknown flag "--no-x"'],
    [["hi", "--no-wait=false"], 'Unknown flag "--no-wait"'],
    [["hi", "-x"], 'Unknown flag "-x"'],
    [["hi", "-ax"], 'Unknown flag "-ax"'],
    [["hi", "-wait"], 'Unknown flag "-wait", did you mean "--wait"?'],
    [["hi", "-5"], 'Unknown flag "-5"'],
    [["hi", "--__proto__", "x"], 'Unknown flag "--__proto__"'],
    [["--dry-run"], 'Unknown flag "--dry-run"'],
    [["hi", "--to"], 'Missing value of "--to"'],
    [["hi", "--to", "--kind"], 'Missing value of "--to": found flag "--kind"'],
    [["--to", "--", "hi"], 'Missing value of "--to": found flag "--"'],
    [["hi", "--to", "a", "--to", "b"], 'Flag "--to" is given twice'],
    [["hi", "-t", "a", "--recipient", "b"], 'Flag "--to" is given twice'],
    [["hi", "--wait", "--no-wait"], 'Flag "--wait" is given twice'],
    [["hi", "--wait=yes"], 'Flag "--wait" takes no value: found "yes"'],
    [["hi", "--kind", "reqest"], 'Unknown value "reqest" of "--kind", did you mean "request"?'],
    [[], "Missing BODY"],
    [["hi", "subject", "more"], 'Unexpected word "more"'],
  ])("parseWords() refuses %j", (words, message) => {
    const error = refusal(...words);
    expect(error.code).toBe("USAGE");
    expect(error.message).toStartWith(message);
    expect(error.hint).not.toBeEmpty();
  });

  test("parseWords() refuses a missing flag that is required", () => {
    const args = { to: { type: "string", description: "To", required: true } } as const;
    expect(() => parseWords({ name: "x", args, usage: "fleetd x --to TO" }, [])).toThrow(
      'Missing flag "--to"',
    );
  });

  test("parseWords() shows the usage line, the allowed values or how to write the word", () => {
    expect(refusal().hint).toBe("Usage: fleetd send BODY [SUBJECT] [flags]");
    expect(refusal("hi", "--kind", "x").hint).toBe("Allowed: info, request");
    expect(refusal("--dry-run").hint).toContain('stands after "--"');
    expect(refusal("hi", "--to", "-5").hint).toContain('"--to=-5"');
  });

  test("parseWords() sends nobody to an old spelling", () => {
    expect(refusal("hi", "--recipien", "x").message).toBe('Unknown flag "--recipien"');
  });

  test("parseWords() never takes a word that looks like a flag for text", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<string[]>("hi", "--to", "-a", "--no-wait", "--", "-x", "=", "web1")),
        (words) => {
          const end = words.includes("--") ? words.indexOf("--") : words.length;
          try {
            const { body } = parse(...words);
            return !String(body).startsWith("-") || words.slice(end + 1).includes(String(body));
          } catch (thrown) {
            return thrown instanceof FleetError && EXIT_CODES[thrown.code] === 64;
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe("indexFlags()", () => {
  test("indexFlags() knows every spelling and no positional", () => {
    const known = indexFlags(ARGS);
    expect(known.get("-t")?.name).toBe("to");
    expect(known.get("--recipient")?.name).toBe("to");
    expect(known.has("--body")).toBe(false);
  });
});
