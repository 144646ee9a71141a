// Whatever is typed, set in the environment, written into a configuration or sent over the control socket: a value or
// a refusal that says so, never another exception, no prototype changed, and no text that takes for ever.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../../src/base/duration.ts";
import { EXIT_CODES, FleetError } from "../../../src/base/errors.ts";
import { fromInstant, toInstant } from "../../../src/base/instant.ts";
import {
  formatLogLine,
  LOG_LINE_BYTES_MAX,
  parseLogLine,
  withoutCredentials,
} from "../../../src/base/log-line.ts";
import type { RefUpdate } from "../../../src/base/ports/git-remote.ts";
import { redact } from "../../../src/base/redact.ts";
import type { Result } from "../../../src/base/result.ts";
import { formatSize, parseSize } from "../../../src/base/size.ts";
import { toSafeJson, toVisible } from "../../../src/base/visible-text.ts";
import { toLabelFilter, toServerFilter, toSince } from "../../../src/cli/filters.ts";
import { parseIdPart } from "../../../src/cli/id-part.ts";
import { parseSince } from "../../../src/cli/parse-since.ts";
import { parseWords } from "../../../src/cli/parse-words.ts";
import { COMMANDS } from "../../../src/cli/root.ts";
import { suggest } from "../../../src/cli/suggest.ts";
import { parseLine } from "../../../src/fleet/messaging/entry-line.ts";
import { asksForStatus, findRule, type Rule } from "../../../src/fleet/messaging/match-rules.ts";
import { type MessageEntry, parseRecipients, parseServerId } from "../../../src/fleet/messaging/model.ts";
import { draftMessage } from "../../../src/fleet/messaging/send-message.ts";
import { parseFileSettings } from "../../../src/fleet/settings/model.ts";
import { readEnvironment, VARIABLES } from "../../../src/fleet/settings/read-environment.ts";
import { parseChangesCall, parseMarkCall, parseSendCall } from "../../../src/http/server/parse-calls.ts";
import { readConfigFile } from "../../../src/platform/config-file.ts";
import { systemCryptography as cryptography } from "../../../src/platform/cryptography.ts";
import { parsePushReport } from "../../../src/platform/git/push-report.ts";
import { parseRemoteAddress } from "../../../src/platform/git/remote-address.ts";
import { endpointOf } from "../../../src/platform/git/remote-endpoint.ts";
import { idOf, messageBody, NOW, NOW_MS } from "../../helpers/batch-tools.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import {
  anyBytes,
  anyText,
  anyValue,
  expectCleanPrototypes,
  expectLinear,
  mutated,
} from "../../helpers/hostile-bytes.ts";
import { argumentsOf, HOSTILE_WORDS } from "../../helpers/hostile-words.ts";

// A slow machine, and everything else that it does.
setDefaultTimeout(60_000);

const word = fc.oneof(anyText, fc.constantFrom(...HOSTILE_WORDS));

/** What `work` answers; null when it is refused as an operator meets it. Anything else thrown is a fault. */
function answerOf<T>(work: () => T): T | null {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    expect(thrown.code).not.toBe("INTERNAL");
    expect(Object.keys(EXIT_CODES)).toContain(thrown.code);
    return null;
  }
}

const SERVER = /^[a-z0-9][a-z0-9-]{0,62}$/;
const rightOr = <T>(value: T | null, isRight: (value: T) => boolean): boolean | null =>
  value === null ? null : isRight(value);

describe("words", () => {
  test("of every command are understood or refused, whatever they are", async () => {
    const commands = [...new Set((await argumentsOf(COMMANDS)).map(({ command }) => command))];
    const flags = commands.flatMap(({ args }) => Object.keys(args)).map((name) => `--${name}`);
    const one = fc.oneof(
      word,
      fc.constantFrom(...flags),
      fc.constantFrom(...flags).map((flag) => `${flag}=x`),
    );
    fc.assert(
      fc.property(fc.constantFrom(...commands), fc.array(one, { maxLength: 6 }), (command, words) => {
        const { meta, args, usage } = command;
        const parsed = answerOf(() => parseWords({ name: meta.name, args, usage }, words));
        if (parsed !== null) expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
        expectCleanPrototypes();
      }),
      { numRuns: 2000 },
    );
  });

  const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  const okOf = <T>(result: Result<T>): T | null => (result.ok ? result.value : null);
  /** For each kind of word what is made of a text, null when it is refused; true when that is what it has to be. */
  test.each<[string, (text: string) => boolean | null]>([
    [
      "a duration",
      (text) => rightOr(okOf(parseDuration(text)), (ms) => isWhole(ms) && /^\d/.test(formatDuration(ms))),
    ],
    [
      "a size",
      (text) => rightOr(okOf(parseSize(text)), (size) => isWhole(size) && /^[\d.]+ /.test(formatSize(size))),
    ],
    ["a time", (text) => rightOr(okOf(parseSince(text, NOW_MS)), Number.isFinite)],
    [
      "a time to look from",
      (text) => rightOr(answerOf(() => toSince(text, NOW_MS)) ?? null, Number.isFinite),
    ],
    [
      "a part of an id",
      (text) =>
        rightOr(
          answerOf(() => parseIdPart(text)),
          (part) => /^[0-9a-f-]{4,}$/.test(part),
        ),
    ],
    [
      "a label",
      (text) =>
        rightOr(
          answerOf(() => toLabelFilter(text)),
          ({ name }) => name !== "",
        ),
    ],
    ["a server", (text) => rightOr(okOf(parseServerId(text)), (id) => SERVER.test(id) && id === text)],
    [
      "a sender",
      (text) => rightOr(answerOf(() => toServerFilter("from", text)) ?? null, (id) => SERVER.test(id)),
    ],
    [
      "recipients",
      (text) =>
        rightOr(okOf(parseRecipients(text)), (to) => to.every((one) => SERVER.test(one.replace(/^@/, "")))),
    ],
    [
      "an instant",
      (text) =>
        rightOr(Number.isNaN(fromInstant(text)) ? null : text, (at) => toInstant(fromInstant(at)) === text),
    ],
  ])("that name %s are one, or refused", (_, isRight) => {
    fc.assert(
      fc.property(word, (text) => {
        expect(isRight(text)).not.toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  test("that name a remote are an address that runs nothing and reads like no option, or refused", () => {
    fc.assert(
      fc.property(word, (text) => {
        const address = answerOf(() => parseRemoteAddress(text));
        if (address === null) return;
        expect(address.target.startsWith("-")).toBe(false);
        expect(/^(?:ext|fd)::/i.test(address.target)).toBe(false);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
        expect(address.target).not.toMatch(/[\u0000-\u001f\u007f]/);
        endpointOf(address);
      }),
      { numRuns: 2000 },
    );
  });

  test("that are shown hold nothing a terminal would obey, and say the same once more", () => {
    const hidden = /[\p{Cc}--[\n]]|[\u200B\u202A-\u202E\u2066-\u2069\uFEFF\u2028\u2029]/v;
    fc.assert(
      fc.property(word, (text) => {
        for (const shown of [toVisible(text), toVisible(text, { keepNewlines: true })]) {
          expect(shown).not.toMatch(hidden);
          expect(toVisible(shown, { keepNewlines: true })).toBe(shown);
        }
        expect(toVisible(text)).not.toContain("\n");
        const json = toSafeJson({ text });
        expect(json).not.toMatch(hidden);
        expect(JSON.parse(json)).toEqual({ text });
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[string, (text: string) => unknown]>([
    ["shown", (text) => toVisible(text)],
    ["JSON", (text) => toSafeJson(text)],
    ["a log line", (text) => withoutCredentials(text)],
    ["a report", (text) => redact({ text, list: [text] }, ["secret"])],
    ["a duration", (text) => parseDuration(text)],
    ["a size", (text) => parseSize(text)],
    ["a time", (text) => parseSince(text, NOW_MS)],
    ["an instant", (text) => fromInstant(text)],
    ["a server", (text) => parseServerId(text)],
    ["recipients", (text) => parseRecipients(text)],
    ["an address", (text) => answerOf(() => parseRemoteAddress(text))],
    ["a word near another", (text) => suggest(text, VARIABLES)],
    ["a question", (text) => asksForStatus(messageWith(text))],
    ["a rule", (text) => findRule(messageWith(text), [RULE], { server: "code2", defaultRule: true })],
    ["what a remote answers", (text) => parsePushReport([{ ref: "refs/x" } as RefUpdate], text, text)],
  ])("as %s take time in proportion to their length", (_, work) => {
    const texts = [
      " ",
      "0",
      "a",
      "a.",
      "/",
      ":",
      "@",
      "://",
      "http://",
      "é",
      "\u200D",
      "😀\u200D",
      "\u001B",
      "\n",
      "a*",
      "=,",
    ];
    for (const text of texts) expectLinear((size) => text.repeat(size), work);
    expectLinear((size) => `http://${"a:".repeat(size)}`, work);
    expectLinear((size) => `${" ".repeat(size)}x`, work);
  });
});

const messageWith = (text: string): MessageEntry =>
  ({
    v: 1,
    id: idOf(1),
    seq: 2,
    prev: null,
    from: "code1",
    at: NOW,
    ...messageBody({ subject: text, body: text }),
  }) as MessageEntry;
const RULE = {
  name: "one",
  match: { from: ["*a*b*"], text: ["aa", "no such word"] },
  ack: true,
} satisfies Rule;

describe("lines of the log file", () => {
  const line = formatLogLine({
    timestamp: NOW,
    level: "INFO",
    message: "m",
    server: "code1",
    metadata: { a: 1 },
  });

  test("are one line of bounded length that reads back, whatever is logged", () => {
    fc.assert(
      fc.property(
        anyText,
        fc.array(fc.tuple(anyText, anyValue), { maxLength: 8 }),
        fc.nat(3),
        (text, pairs, power) => {
          const message = text.repeat(10 ** power);
          const metadata = Object.fromEntries(pairs) as Record<string, unknown>;
          const written = formatLogLine({
            timestamp: NOW,
            level: "ERROR",
            message,
            server: "code1",
            metadata,
          });
          expect(Buffer.byteLength(written)).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX);
          expect(written).not.toMatch(/\p{Cc}/u);
          expect(parseLogLine(written)).toMatchObject({ timestamp: NOW, level: "ERROR", server: "code1" });
        },
      ),
      { numRuns: 500 },
    );
  });

  test("are read or passed over, whatever became of them", () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes, mutated([Buffer.from(line)])), (bytes) => {
        const record = parseLogLine(new TextDecoder().decode(bytes));
        if (record !== null) expect(Number.isNaN(fromInstant(record.timestamp))).toBe(false);
        expectCleanPrototypes();
      }),
      { numRuns: 1000 },
    );
  });
});

describe("calls of the control socket", () => {
  const SEND = { to: ["code2"], body: "b", subject: "s" };
  const MARK = { from: "code2", id: idOf(1), state: "read" };
  const CHANGES = { since: 0, timeoutMs: 10 };

  test("are taken or refused, whatever they say", () => {
    const calls = [
      [SEND, parseSendCall],
      [MARK, parseMarkCall],
      [CHANGES, parseChangesCall],
    ] as const;
    const names = fc.constantFrom(
      "to",
      "body",
      "subject",
      "labels",
      "id",
      "from",
      "state",
      "since",
      "timeoutMs",
      "expiresInMs",
      "constructor",
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...calls),
        names,
        anyValue,
        anyValue,
        ([call, parse], name, value, whole) => {
          for (const asked of [{ ...call, [name]: value }, whole]) {
            const parsed = parse(asked);
            if (!parsed.ok) expect(parsed.error).toStartWith("Cannot read request: ");
          }
          expectCleanPrototypes();
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("keep every label, whatever it is called", () => {
    for (const name of ["constructor", "prototype", "toString", "hasOwnProperty", "a"]) {
      const asked: unknown = JSON.parse(`{"to":["code2"],"body":"b","subject":"s","labels":{"${name}":"1"}}`);
      const parsed = parseSendCall(asked);
      expect(parsed.ok && Object.entries(parsed.value.labels ?? {})).toEqual([[name, "1"]]);
    }
  });

  test("with a label __proto__ are refused where messages are made, since every reader would refuse the line", () => {
    const asked: unknown = JSON.parse('{"to":["code2"],"body":"b","subject":"s","labels":{"__proto__":"1"}}');
    const parsed = parseSendCall(asked);
    const clock = new FakeClock();
    const drafted = parsed.ok ? draftMessage(parsed.value, { server: "code1", clock, cryptography }) : null;
    expect(drafted?.ok).toBe(false);
  });

  test("become a message that every reader takes, or none", () => {
    const clock = new FakeClock();
    const request = fc.record(
      {
        to: fc.array(word, { maxLength: 3 }),
        body: word,
        subject: word,
        thread: word,
        inReplyTo: word,
        expiresInMs: fc.oneof(fc.integer(), fc.constantFrom(1e308, 0.5, -0)),
        labels: fc.dictionary(word, word, { maxKeys: 3, noNullPrototype: true }),
        idempotencyKey: word,
        id: word,
      },
      { requiredKeys: ["to", "body", "subject"] },
    );
    fc.assert(
      fc.property(request, (asked) => {
        const parsed = parseSendCall({ ...asked, to: ["code2", ...asked.to.slice(1)] });
        if (!parsed.ok) return;
        const drafted = draftMessage(parsed.value, { server: "code1", clock, cryptography });
        if (!drafted.ok) return;
        const { id, at, body } = drafted.value;
        const text = JSON.stringify({
          v: 1,
          id,
          seq: 2,
          prev: `sha256:${"a".repeat(64)}`,
          from: "code1",
          at,
          ...body,
        });
        expect([parseLine(Buffer.from(text)).status, text]).toEqual(["entry", text]);
      }),
      { numRuns: 1500 },
    );
  });
});

describe("settings", () => {
  test("of any value are settings or a list of what is wrong", () => {
    const key = fc.constantFrom(
      "server",
      "remote",
      "interval",
      "groups",
      "labels",
      "auto_reply",
      "rules",
      "retry",
      "breaker",
      "handlers",
      "x",
    );
    fc.assert(
      fc.property(fc.oneof(anyValue, fc.dictionary(key, anyValue, { maxKeys: 4 })), (value) => {
        const parsed = parseFileSettings(value);
        if (!parsed.ok) expect(parsed.error.length).toBeGreaterThan(0);
        expectCleanPrototypes();
      }),
      { numRuns: 1500 },
    );
  });

  test("with a label that is a table which says what its text is are refused, not a bug", () => {
    expect(parseFileSettings({ labels: { a: { toString: null } } }).ok).toBe(false);
  });

  test("of any environment are read, or said to be wrong", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...VARIABLES, "SERVER_ID"), word, { maxKeys: 4 }),
        (environment) => {
          const { value, problems } = readEnvironment(environment);
          expect(problems.length).toBeLessThanOrEqual(Object.keys(environment).length);
          parseFileSettings(value);
          expectCleanPrototypes();
        },
      ),
      { numRuns: 500 },
    );
  });

  test("of any file are read, or refused with its name", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fleetd-words-"));
    const path = join(folder, "fleetd.yaml");
    const good =
      "server: a\ninterval: 5s\nlabels: { role: db }\nrules:\n  - name: one\n    run: [/bin/true, x]\n";
    try {
      await fc.assert(
        fc.asyncProperty(fc.oneof(anyBytes, mutated([Buffer.from(good)])), async (bytes) => {
          writeFileSync(path, bytes);
          const file = await readConfigFile(path).catch((thrown: unknown) => {
            expect(thrown).toBeInstanceOf(FleetError);
            expect(String(thrown)).toContain(path);
            return null;
          });
          if (file === null) return;
          const parsed = parseFileSettings(file.value);
          for (const issue of parsed.ok ? [] : parsed.error) await file.lineOf(issue.path);
          expectCleanPrototypes();
        }),
        { numRuns: 300 },
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
