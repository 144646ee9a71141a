import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { surroundingsOf } from "../../../src/daemon/supervision/prepare-start.ts";
import { definitionOf } from "../../helpers/memory-supervisor.ts";

/** The name and home of the accounts of this machine; none where it has no such file. */
const accounts = existsSync("/etc/passwd")
  ? readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .filter((fields) => fields.length === 7)
      .map(([name = "", , , , , home = ""]) => ({ name, home }))
  : [];
const homeless = accounts.find(({ home }) => !existsSync(home));
const settled = accounts.find(({ home }) => home !== "/" && existsSync(home));
if (homeless === undefined || settled === undefined) {
  console.log("skipped: folders of services, because no account here has a home, or all of them");
}

const KEY = { service: "web", number: 1, successor: false };
const folderOf = async (file: Record<string, unknown>): Promise<string> =>
  (await surroundingsOf(definitionOf("web", file), KEY)).cwd;

describe.skipIf(homeless === undefined || settled === undefined)("the folder of a service", () => {
  test("is the one it names, else the home of its user, else the root where nobody made that", async () => {
    expect(await folderOf({ user: homeless?.name, cwd: "/srv/none" })).toBe("/srv/none");
    expect(await folderOf({ user: settled?.name })).toBe(settled?.home ?? "");
    expect(await folderOf({ user: homeless?.name })).toBe("/");
  });
});
