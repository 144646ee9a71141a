import { describe, expect, test } from "bun:test";
import { checkArchitecture, formatViolation } from "../../../scripts/architecture/check.ts";
import { FOLDERS } from "../../../scripts/architecture/rules.ts";
import { findCitations, readSource } from "../../../scripts/architecture/source.ts";

/** The rules broken by a project of `texts`, path to content; `others` are files that only exist. */
function brokenRules(texts: Record<string, string>, others: string[] = []): string[] {
  const sources = Object.entries(texts).map(([path, text]) => readSource(path, text));
  const files = [...Object.keys(texts), ...others];
  return checkArchitecture({ files, sources, papers: [] }).map(formatViolation);
}

describe("checkArchitecture() edges", () => {
  test("allows every edge of the table and refuses every other", () => {
    const folders = Object.keys(FOLDERS).filter((folder) => folder !== "main.ts");
    for (const from of folders) {
      for (const to of folders) {
        const inside = (folder: string): string =>
          folder === "fleet" ? "src/fleet/settings" : `src/${folder}/deep`;
        const text = `import type { X } from "../../${inside(to).slice(4)}/x.ts";`;
        const isAllowed = from === to || FOLDERS[from]?.includes(to) === true;
        expect([from, to, brokenRules({ [`${inside(from)}/y.ts`]: text }).length]).toEqual([
          from,
          to,
          isAllowed ? 0 : 1,
        ]);
      }
    }
  });

  test("names file, line and rule", () => {
    const text = 'export type A = 1;\nimport { git } from "../platform/git.ts";\n';
    expect(brokenRules({ "src/http/respond.ts": text })).toEqual([
      'src/http/respond.ts:2 http may import fleet, resilience, base, found platform ("../platform/git.ts")',
    ]);
  });

  test("lets the door open cli only", () => {
    expect(brokenRules({ "src/main.ts": 'import "./cli/run-cli.ts";' })).toEqual([]);
    expect(brokenRules({ "src/main.ts": 'import "./base/errors.ts";' })).toHaveLength(1);
  });

  test.each([
    ['await import("../cli/root.ts");', "dynamic import"],
    ['export { root } from "../cli/root.ts";', "re-export"],
    ['type Root = import("../cli/root.ts").Root;', "type query"],
    ['import type { Root } from "../cli/root.ts";', "type import"],
  ])("sees %s (%s)", (text) => {
    expect(brokenRules({ "src/daemon/loop.ts": text })).toHaveLength(1);
  });

  test("takes no text in a string or comment for an import", () => {
    const text = '// import "../cli/x";\nexport const text = \'import "../cli/x"\';\n';
    expect(brokenRules({ "src/daemon/loop.ts": text })).toEqual([]);
  });

  test("refuses a file of a folder that is not in the table, and an import from outside src/", () => {
    expect(brokenRules({ "src/tools/git.ts": "" })).toHaveLength(1);
    expect(brokenRules({ "src/helper.ts": "" })).toHaveLength(1);
    expect(brokenRules({ "src/cli/root.ts": 'import "../../package.json";' })).toHaveLength(1);
  });
});

describe("checkArchitecture() rooms", () => {
  const importing = (specifier: string): string => `import type { X } from "${specifier}";`;

  test("lets a room import the model of an earlier room", () => {
    expect(brokenRules({ "src/fleet/plans/apply.ts": importing("../messaging/model.ts") })).toEqual([]);
  });

  test("refuses the model of a later room", () => {
    expect(brokenRules({ "src/fleet/messaging/send.ts": importing("../plans/model.ts") })).toHaveLength(1);
  });

  test("refuses any other file of an earlier room, a nested model too", () => {
    expect(brokenRules({ "src/fleet/plans/apply.ts": importing("../messaging/send.ts") })).toHaveLength(1);
    expect(brokenRules({ "src/fleet/plans/apply.ts": importing("../messaging/log/model.ts") })).toHaveLength(
      1,
    );
  });

  test("refuses a room that is not in the order, and a file that stands in no room", () => {
    expect(brokenRules({ "src/fleet/kitchen/model.ts": "" })).toHaveLength(1);
    expect(brokenRules({ "src/fleet/model.ts": "" })).toHaveLength(1);
  });
});

describe("checkArchitecture() packages", () => {
  test.each([
    ["src/cli/root.ts", "citty"],
    ["src/base/duration.ts", "ms"],
    ["src/fleet/settings/model.ts", "valibot"],
    ["src/cli/actions/schema.ts", "@valibot/to-json-schema"],
    ["src/platform/yaml.ts", "yaml"],
    ["src/platform/files.ts", "node:fs/promises"],
  ])("lets %s import %s", (path, name) => {
    expect(brokenRules({ [path]: `import * as p from "${name}";` })).toEqual([]);
  });

  test.each([
    ["src/daemon/loop.ts", "citty"],
    ["src/base/ids.ts", "ms"],
    ["src/platform/git.ts", "valibot"],
    ["src/fleet/settings/edit.ts", "yaml"],
    ["src/cli/root.ts", "left-pad"],
    ["src/cli/root.ts", "toString"],
    ["src/fleet/settings/load.ts", "node:fs/promises"],
    ["src/resilience/guard.ts", "bun:sqlite"],
  ])("refuses in %s the package %s", (path, name) => {
    expect(brokenRules({ [path]: `import * as p from "${name}";` })).toHaveLength(1);
  });
});

describe("checkArchitecture() the core", () => {
  test.each(["Math.random()", 'Math["random"]()', "(() => { const { random: r } = Math; return r(); })()"])(
    "refuses %s in the core and allows it elsewhere",
    (call) => {
      const text = `export const jitter = ${call};`;
      for (const folder of ["base", "resilience", "fleet/plans"]) {
        expect(brokenRules({ [`src/${folder}/jitter.ts`]: text })).toHaveLength(1);
      }
      expect(brokenRules({ "src/platform/jitter.ts": text })).toEqual([]);
    },
  );

  test("refuses chance in a simulation, which a seed decides, and allows it in other tests", () => {
    const text = "export const jitter = Math.random();";
    expect(brokenRules({ "test/simulation/jitter.ts": text })).toHaveLength(1);
    expect(brokenRules({ "test/helpers/jitter.ts": text })).toEqual([]);
  });

  test.each([
    "export function f() {}",
    "export class F {}",
    "export const f = () => 1;",
    "export const f = function () {};",
    "const f = () => 1;\nexport { f };",
    "function g() {}\nexport { g as f };",
  ])("wants a unit test for %s", (text) => {
    const path = "src/resilience/guard.ts";
    expect(brokenRules({ [path]: text })).toEqual([
      `${path}:1 no unit test: test/unit/resilience/guard.test.ts is missing`,
    ]);
    expect(brokenRules({ [path]: text }, ["test/unit/resilience/guard.test.ts"])).toEqual([]);
  });

  test.each(["export type F = () => void;", "export const f = { a: 1 } as const;", "function hidden() {}"])(
    "wants no unit test for %s",
    (text) => expect(brokenRules({ "src/resilience/model.ts": text })).toEqual([]),
  );

  test("wants no unit test for a port, nor outside the core", () => {
    expect(brokenRules({ "src/base/ports/clock.ts": "export class C {}" })).toEqual([]);
    expect(brokenRules({ "src/platform/clock.ts": "export class C {}" })).toEqual([]);
  });
});

describe("checkArchitecture() names and citations", () => {
  test.each(["src/cli/index.ts", "src/cli/utils/x.ts", "src/http/types.ts", "src/base/common.ts"])(
    "refuses the name %s",
    (path) => expect(brokenRules({ [path]: "" })).toHaveLength(1),
  );

  test("refuses a comment that cites a file nobody has, on the line of the citation", () => {
    const text = "/**\n * As in `daemon/gone.ts`.\n */\nexport const a = 1;\n";
    expect(brokenRules({ "src/daemon/loop.ts": text })).toEqual([
      'src/daemon/loop.ts:2 cites "daemon/gone.ts", and there is no such file',
    ]);
    expect(brokenRules({ "src/daemon/loop.ts": text }, ["src/daemon/gone.ts"])).toEqual([]);
  });

  test.each([
    ["see ARCHITECTURE.md.", ["ARCHITECTURE.md"]],
    ["[guide](docs/guide.md#top)", ["docs/guide.md"]],
    ["run scripts/a.sh and .github/b.ts", ["scripts/a.sh", ".github/b.ts"]],
    ["`src/cli/commands/<verb>.ts`, `*.ts`, `test/**/x.test.ts`", []],
    ["https://example.org/a/b.md and node_modules/x/y.ts", []],
    ["call expect.ts() or a.mdx", []],
  ])("finds in %j the citations %j", (text, names) => {
    expect(findCitations([{ text, line: 7 }])).toEqual(names.map((name) => ({ name, line: 7 })));
  });
});
