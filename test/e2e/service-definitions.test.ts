// What a definition may say, on the compiled executable: probes, dependencies, users, limits, policies.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../helpers/free-port.ts";
import { fixtureWords, ServiceFleet } from "../helpers/service-fleet.ts";
import { eventually, untilHolds } from "../helpers/temp-git.ts";

const isHere = process.platform === "linux";
if (!isHere)
  console.log("skipped: definitions of services on the executable, because this test looks into /proc");
const PATIENCE_MS = 120_000;
const python = Bun.which("python3");
if (isHere && python === null)
  console.log("skipped: a probe of kind notify (python3 is not here to talk to it)");

const fleet = new ServiceFleet();
afterAll(() => fleet.close(), PATIENCE_MS);
const file = (name: string): string => join(fleet.folder, name);
const STAYS = "while :; do sleep 0.2; done";
const SAY = join(import.meta.dir, "../fixtures/probes/say.py");
const QUICK = { interval: "100ms" };

/** A user of this machine who is in more than one group, with the groups; null where there is none, or no right. */
function userOfGroups(): { readonly name: string; readonly groups: string } | null {
  if (process.getuid?.() !== 0) return null;
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name = ""] = line.split(":");
    const groups =
      name === "" || name === "root" ? "" : Bun.spawnSync(["id", "-G", name]).stdout.toString().trim();
    if (groups.includes(" ")) return { name, groups };
  }
  return null;
}
const user = isHere ? userOfGroups() : null;
if (isHere && user === null)
  console.log("skipped: supplementary groups (needs root and a user who has some)");

beforeAll(async () => {
  if (!isHere) return;
  const [http, tcp] = [await freePort(), await freePort()];
  const whenTold = `until [ -e ${file("go")} ]; do sleep 0.1; done`;
  await fleet.init();
  writeFileSync(file("variables"), "export A='$(id) $HOME' # never run\nFLEETD_SERVICE=other\nB=\"two\"\n");
  fleet.configure(
    {
      http: {
        command: fixtureWords(["answers-later.ts", String(http), file("go")]),
        probes: { readiness: { ...QUICK, http: `http://127.0.0.1:${http}/` } },
      },
      tcp: {
        command: [
          "sh",
          "-c",
          `${whenTold}; exec "$@"`,
          "-",
          ...fixtureWords(["answers-later.ts", String(tcp)]),
        ],
        probes: { readiness: { ...QUICK, tcp } },
      },
      exec: {
        command: ["sh", "-c", STAYS],
        probes: { readiness: { ...QUICK, exec: ["test", "-e", file("go")] } },
      },
      log: {
        command: ["sh", "-c", `echo begins; ${whenTold}; echo listening on 80; ${STAYS}`],
        probes: { readiness: { log: "^listening on \\d+$" } },
      },
      ...(python === null
        ? {}
        : {
            notify: {
              command: ["sh", "-c", `${whenTold}; sleep 1000 | python3 "$0" READY=1`, SAY],
              probes: { readiness: { notify: true } },
            },
          }),
      never: {
        command: ["sh", "-c", STAYS],
        probes: { readiness: { ...QUICK, exec: ["false"] } },
        start_timeout: "500ms",
        restart: "no",
      },
      needs: {
        command: ["sh", "-c", STAYS],
        depends_on: { http: "ready", once: "completed" },
      },
      once: { command: ["sh", "-c", `${whenTold}; echo done`] },
      waits: { command: ["true"], depends_on: ["never"] },
      variables: {
        command: ["sh", "-c", 'echo "$A|$B|$FLEETD_SERVICE"'],
        env_file: file("variables"),
        restart: "no",
      },
      fileless: { command: ["true"], env_file: file("no-variables"), restart: "no" },
      homeless: { command: ["true"], cwd: "/no/such/folder", restart: "no" },
      ...(user === null ? {} : { account: { command: ["id", "-G"], user: user.name, restart: "no" } }),
      grows: { command: fixtureWords(["grows.sh"]), limits: { memory: "16MiB" }, restart: "no" },
      "policy-no": { command: ["sh", "-c", "exit 4"], restart: "no" },
      "policy-failure": {
        command: ["sh", "-c", `echo x >> ${file("fails")}; [ $(wc -l < ${file("fails")}) -ge 3 ]`],
      },
      "policy-always": { command: fleet.noted("policy-always", "true"), restart: "always" },
    },
    // They wait for the test, however slow that is.
    {
      start_timeout: "30m",
      backoff_first: "50ms",
      backoff_longest: "100ms",
      crash_failures: 100,
      sample: "200ms",
    },
  );
  await fleet.monitor();
}, PATIENCE_MS);

describe.skipIf(!isHere)("a probe", () => {
  const kinds = ["http", "tcp", "exec", "log", ...(python === null ? [] : ["notify"])];
  test(
    `says that a service that starts late is ready when it is, of kind ${kinds.join(", ")}`,
    async () => {
      await fleet.until(
        "they run and have done what they do before",
        (all) =>
          all.filter(({ name, state }) => kinds.includes(name) && state === "starting").length ===
          kinds.length,
      );
      // The one whose log shows that it lives was looked at long ago, and is not ready.
      await untilHolds(
        async () => (await fleet.run(["logs", "log", "--json"])).stdout.includes("begins"),
        60_000,
      );
      expect((await fleet.list(...kinds)).map(({ name, ready }) => [name, ready])).toEqual(
        kinds.map((kind) => [kind, false]),
      );
      expect((await fleet.list("needs", "once")).map(({ state }) => state)).toEqual(["blocked", "running"]);
      writeFileSync(file("go"), "");
      for (const kind of kinds) {
        await fleet.until("it is ready", ([one]) => one?.state === "running" && one.ready, kind);
      }
    },
    PATIENCE_MS,
  );

  test(
    "that never answers well ends the start, and what needs the service waits",
    async () => {
      const [one] = await fleet.until("it was given up", ([never]) => never?.state === "failed", "never");
      expect(one?.last_end).toMatchObject({ reason: "probe", text: "probe: not ready within 0.5 s" });
      expect((await fleet.one("waits")).state).toBe("blocked");
      // Nobody is ready, so the command that waits for it runs out of time.
      expect((await fleet.run(["start", "waits", "--timeout", "200ms"])).code).not.toBe(0);
    },
    PATIENCE_MS,
  );
});

describe.skipIf(!isHere)("a definition", () => {
  test(
    "of what a service needs is waited for",
    async () => {
      const [one] = await fleet.until("it runs", ([needs]) => needs?.state === "running", "needs");
      const [first, second] = [await fleet.one("http"), await fleet.one("once")];
      expect([first.ready, second.state]).toEqual([true, "completed"]);
      expect(one?.restarts).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    "with a folder that is missing says so",
    async () => {
      const [one] = await fleet.until("it has failed", ([first]) => first?.state === "failed", "homeless");
      expect(one?.last_end?.reason).toBe("spawn");
      expect(one?.last_end?.text).toContain("/no/such/folder");
    },
    PATIENCE_MS,
  );

  test(
    "with a file of variables has them as they are written, and says what it leaves out or misses",
    async () => {
      const logged = async (): Promise<string> => (await fleet.run(["logs", "variables", "--json"])).stdout;
      await untilHolds(async () => (await logged()) !== "", 60_000);
      expect(JSON.parse(await logged())).toMatchObject({ message: "$(id) $HOME|two|variables" });
      const { running } = fleet;
      const isTold = (): boolean =>
        /variables: .*line 2: .*FLEETD_SERVICE.* is reserved for fleetd/.test(
          running.stdout() + running.stderr(),
        );
      expect(await eventually(isTold, 60_000)).toBe(true);
      const [one] = await fleet.until("it has failed", ([first]) => first?.state === "failed", "fileless");
      expect(one?.last_end?.text).toContain("no-variables");
    },
    PATIENCE_MS,
  );

  test.skipIf(user === null)(
    "with a user runs in all groups of the user",
    async () => {
      await fleet.until("it has ended", ([one]) => one?.state === "completed", "account");
      const logged = async (): Promise<string> => (await fleet.run(["logs", "account", "--json"])).stdout;
      await untilHolds(async () => (await logged()) !== "", 60_000);
      const { message } = JSON.parse((await logged()).split("\n")[0] ?? "") as { message: string };
      const sorted = (text: string): string[] => text.split(" ").sort();
      expect(sorted(message)).toEqual(sorted(user?.groups ?? ""));
    },
    PATIENCE_MS,
  );

  test(
    "with a limit of memory ends what takes more",
    async () => {
      const [one] = await fleet.until("it was ended", ([grows]) => grows?.state === "failed", "grows");
      // The kernel's own limit where there is a control group for it, else the daemon's.
      expect(["memory", "oom"]).toContain(String(one?.last_end?.reason));
    },
    PATIENCE_MS,
  );

  test(
    "with a policy is kept",
    async () => {
      const [no] = await fleet.until("it has failed", ([one]) => one?.state === "failed", "policy-no");
      expect([no?.restarts, no?.last_end?.text]).toEqual([0, "exit code 4"]);
      const [failing] = await fleet.until(
        "it went well",
        ([one]) => one?.state === "completed",
        "policy-failure",
      );
      expect(failing?.restarts).toBe(2);
      await fleet.until("it is started for ever", ([one]) => (one?.restarts ?? 0) > 3, "policy-always");
    },
    PATIENCE_MS,
  );
});
