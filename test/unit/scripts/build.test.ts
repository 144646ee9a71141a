import { expect, test } from "bun:test";
import manifest from "../../../package.json" with { type: "json" };
import { FACES } from "../../../scripts/build/package.ts";
import { fileNameOf, parseBuildRequest, TARGETS } from "../../../scripts/build/targets.ts";

test("parseBuildRequest() builds for this machine by default", () => {
  expect(parseBuildRequest([])).toEqual({ ok: true, value: { kind: "single" } });
  expect(parseBuildRequest(["--single"])).toEqual({ ok: true, value: { kind: "single" } });
});

test("parseBuildRequest() takes --all for the seven targets", () => {
  const request = parseBuildRequest(["--all"]);
  expect(request.ok && request.value).toEqual({
    kind: "targets",
    targets: [
      "linux-x64",
      "linux-arm64",
      "linux-x64-musl",
      "linux-arm64-musl",
      "darwin-arm64",
      "darwin-x64",
      "windows-x64",
    ],
  });
});

test("parseBuildRequest() takes --package for the library", () => {
  expect(parseBuildRequest(["--package"])).toEqual({ ok: true, value: { kind: "package" } });
});

test("package.json exports every face of the library, and nothing that is not built", () => {
  const faces = Object.keys(FACES).map((face) => [
    `./${face}`,
    { types: `./dist/package/library/${face}.d.ts`, default: `./dist/package/${face}.js` },
  ]);
  const { exports, files } = manifest;
  expect(exports).toEqual({ ...Object.fromEntries(faces), "./package.json": "./package.json" });
  expect(files).toEqual(["dist/package"]);
});

test("parseBuildRequest() takes --target as often as it is given", () => {
  const request = parseBuildRequest(["--target", "linux-x64", "--target", "darwin-x64"]);
  expect(request.ok && request.value).toEqual({ kind: "targets", targets: ["linux-x64", "darwin-x64"] });
});

test.each([
  [["--fast"]],
  [["linux-x64"]],
  [["--all", "--single"]],
  [["--target"]],
  [["--target", "amiga"]],
  [["--target", "toString"]],
])("parseBuildRequest() refuses %j", (words) => {
  expect(parseBuildRequest(words).ok).toBe(false);
});

test("TARGETS names every target as Bun does", () => {
  for (const [name, target] of Object.entries(TARGETS)) expect(String(target)).toBe(`bun-${name}`);
});

test("fileNameOf() ends in .exe on Windows only", () => {
  expect(fileNameOf("fleetd", "windows-x64")).toBe("fleetd.exe");
  expect(fileNameOf("fleetd", "darwin-x64")).toBe("fleetd");
});
