import { afterAll, expect, test } from "bun:test";
import { serverPaths } from "../../src/platform/paths.ts";
import { openDatabase } from "../../src/platform/sqlite-database.ts";
import { FLEETD, TempFleet } from "../helpers/temp-fleet.ts";

const fleet = new TempFleet();
afterAll(() => fleet.remove());

// A file that may not grow is what a full disk is to SQLite; it needs no disk of its own and no rights to mount one.
const NOTHING_FITS = 'trap "" XFSZ; ulimit -f 0; exec "$@"';

test.skipIf(process.platform === "win32")(
  "what is here can be read while nothing can be written, and sending says that it cannot",
  async () => {
    await fleet.init(["code1", "code2"]);
    const sent = await fleet.json(["send", "hello", "A subject", "--to", "code2"], { as: "code1" });
    await fleet.text(["inbox"], { as: "code2" });
    const paths = serverPaths(fleet.root, "code2");
    // Somebody has the databases open, as a monitor has.
    const open = [paths.state, paths.index].map((path) =>
      openDatabase(path, { create: false, durability: "full" }),
    );
    for (const database of open) database.all("SELECT name FROM sqlite_master");
    const run = (...words: string[]) =>
      Bun.spawnSync(["sh", "-c", NOTHING_FITS, "sh", FLEETD, ...words, "--server", "code2"], {
        env: fleet.environment,
      });

    const inbox = run("inbox");
    expect(inbox.stderr.toString()).toMatch(/Cannot use database .*; showing what is here already/);
    expect(inbox.stdout.toString()).toContain(String(sent["id"]).slice(-8));
    expect(inbox.exitCode).toBe(0);
    const status = run("status");
    expect(status.stdout.toString()).toContain("1 unread");
    expect(status.exitCode).toBe(0);
    const send = run("send", "x", "--to", "code1");
    expect(send.stderr.toString()).toMatch(/Cannot (?:use database|lock) /);
    expect(send.exitCode).toBe(74);

    for (const database of open) database.close();
    expect(await fleet.text(["send", "x", "--to", "code1"], { as: "code2" })).toContain("Pushed");
  },
  60_000,
);
