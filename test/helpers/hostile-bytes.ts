// Bytes as a stranger may have written them: good ones with something done to them, and the pieces that parsers have
// stumbled over before. For property tests; fast-check shrinks what it finds and prints the seed.
import { expect } from "bun:test";
import fc from "fast-check";
import { concatBytes, toUtf8 } from "../../src/base/bytes.ts";

const bytes = (...values: readonly number[]): Uint8Array => new Uint8Array(values);

/** What is put into good bytes. */
const SCRAPS: readonly Uint8Array[] = [
  // Byte order mark, overlong "/", half of a surrogate pair, beyond Unicode, a cut sequence, NUL, every bit set.
  bytes(0xef, 0xbb, 0xbf),
  bytes(0xc0, 0xaf),
  bytes(0xed, 0xa0, 0x80),
  bytes(0xf4, 0x90, 0x80, 0x80),
  bytes(0xe2, 0x82),
  bytes(0),
  bytes(0xff),
  bytes(0x0a),
  bytes(0x0d, 0x0a),
  ...[
    "-0",
    "1e999",
    "-1e-999",
    "NaN",
    "Infinity",
    "9007199254740993",
    "1.0",
    "00",
    "null",
    "true",
    "[]",
    "{}",
    '""',
    '"\\ud83d"',
    '"\\u0000"',
    "\\u005f_proto__",
    '"__proto__":{"polluted":true},',
    '"constructor":{"prototype":{"polluted":true}},',
    '"toString":null,',
    '"from":"someone",',
    '"v":1,',
    '"v":2,',
    '"fr\\u006fm":"someone",',
    "[".repeat(40),
    '{"a":'.repeat(40),
    "\u2028",
    "\u202E",
    "\u001B]52;c;eA==\u0007",
    "../../",
    "-----BEGIN SSH SIGNATURE-----",
    "-----END SSH SIGNATURE-----",
  ].map(toUtf8),
];

type Change = (good: Uint8Array) => Uint8Array;

/** Cuts, copies, flips and inserts at `from`, over `length` bytes; numbers are taken modulo what is there. */
const change: fc.Arbitrary<Change> = fc
  .record({
    kind: fc.constantFrom("flip", "cut", "truncate", "double", "insert", "replace", "splice"),
    from: fc.nat(),
    length: fc.integer({ min: 1, max: 64 }),
    to: fc.nat(),
    bit: fc.nat(7),
    scrap: fc.constantFrom(...SCRAPS),
  })
  .map(
    ({ kind, from, length, to, bit, scrap }): Change =>
      (good) => {
        const start = from % (good.length + 1);
        const end = Math.min(good.length, start + length);
        const [head, middle, tail] = [good.subarray(0, start), good.subarray(start, end), good.subarray(end)];
        const target = to % (good.length + 1);
        switch (kind) {
          case "flip": {
            const flipped = good.slice();
            if (start < good.length) flipped[start] = (flipped[start] ?? 0) ^ (1 << bit);
            return flipped;
          }
          case "cut":
            return concatBytes([head, tail]);
          case "truncate":
            return head;
          case "double":
            return concatBytes([head, middle, middle, tail]);
          case "insert":
            return concatBytes([head, scrap, good.subarray(start)]);
          case "replace":
            return concatBytes([head, scrap, tail]);
          default:
            return concatBytes([good.subarray(0, target), middle, good.subarray(target)]);
        }
      },
  );

/** One of the `good` ones with one to four things done to it. */
export const mutated = (good: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.constantFrom(...good), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([one, changes]) => changes.reduce((now, apply) => apply(now), one));

/** Any bytes at all, and scraps after each other, which get further into a parser. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.array(fc.constantFrom(...SCRAPS), { maxLength: 12 }).map(concatBytes),
);

/** Text of any UTF-16 units: controls, halves of pairs, marks of direction, digits and signs among them. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
    .map((units) => String.fromCharCode(...units)),
  fc.string({ unit: fc.constantFrom(..."0123456789.eE+-_: TZdhms"), maxLength: 40 }),
  fc.constantFrom("__proto__", "constructor", "toString", "NaN", "-0", "Infinity", "1e999", "\u0000", ""),
);

/** A value as JSON or YAML may say it, with the keys and numbers that parsers stumble over. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      -0,
      1,
      -1,
      1.5,
      2 ** 53,
      1e308,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
    anyText,
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(anyText, tie("value")), { maxLength: 4 })
      .map((pairs): unknown => Object.fromEntries(pairs as [string, unknown][])),
  ),
})).value;

/** Throws when something of `Object`, `Array` or `Function` is other than at the first call. */
export function expectCleanPrototypes(): void {
  const now = [Object.prototype, Array.prototype, Function.prototype].map(
    (one) => Reflect.ownKeys(one).length,
  );
  expect(now).toEqual(CLEAN);
}
const CLEAN = [Object.prototype, Array.prototype, Function.prototype].map(
  (one) => Reflect.ownKeys(one).length,
);

/** Ratios that are noise on a machine with much else to do come once, those of the work itself every time. */
const ATTEMPTS = 6;
/** Between the 16 times of linear work and the 256 times of quadratic work. */
const RATIO_MAX = 128;
/** Below a twentieth of a millisecond the clock and the compiler are measured, not the work. */
const MEASURABLE_MS = 0.05;

/**
 * Expects that `work` takes time in proportion to its input: of the sizes `size` and 16 × `size`, the second takes
 * nowhere near the 256 times of a quadratic one. Processor time counts, and the quickest of some runs.
 */
export function expectLinear<Input>(
  make: (size: number) => Input,
  work: (input: Input) => unknown,
  size = 2_000,
): void {
  const quickest = (input: Input): number => {
    const times = Array.from({ length: 4 }, () => {
      const before = process.cpuUsage().user;
      work(input);
      return (process.cpuUsage().user - before) / 1000;
    });
    return Math.min(...times);
  };
  const [small, large] = [make(size), make(size * 16)];
  let ratio = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && ratio >= RATIO_MAX; attempt += 1) {
    ratio = Math.min(ratio, quickest(large) / Math.max(quickest(small), MEASURABLE_MS));
  }
  expect(ratio).toBeLessThan(RATIO_MAX);
}
