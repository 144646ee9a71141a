// Programs that others put where git, Bun or a careless program would run them: hooks, monitors, templates, aliases,
// includes, transports, variables. A user's own git configuration is trusted for reaching the remote (ssh, credentials,
// proxies) and for nothing else; the folder one stands in is trusted for nothing at all.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { CLIENT_HOOKS, MARKER, Traps } from "../helpers/hostile-words.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";

const TIMEOUT_MS = 120_000;
const fleet = new TempFleet();
const traps = new Traps(`${fleet.git.folder}/deep/er/traps`);
const { folder } = traps;
const isPosix = process.platform !== "win32";

beforeAll(async () => {
  await fleet.init(["code1", "code2"]);
  for (const server of ["code1", "code2"]) {
    const store = `${fleet.root}/${server}/fleet.git`;
    traps.plantHooks(store);
    // Whoever can write here is this user: yet a store that was copied from elsewhere runs nothing either.
    fleet.git.git(store, "config", "core.fsmonitor", MARKER);
    fleet.git.git(store, "config", "core.hooksPath", `${store}/hooks`);
    fleet.git.git(store, "config", "core.alternateRefsCommand", MARKER);
    fleet.git.git(store, "config", "gc.auto", "1");
    fleet.git.git(store, "config", "gc.recentObjectsHook", MARKER);
    fleet.git.git(store, "config", "remote.origin.uploadpack", MARKER);
    fleet.git.git(store, "config", "remote.origin.receivepack", MARKER);
    fleet.git.git(store, "config", "alias.fetch", `!${MARKER}`);
  }
  traps.plantHooks(`${folder}/template`);
  // A file remote is written to by git's own receive-pack, which obeys the user like any other: only what runs on this
  // side of a push is fleetd's to keep out.
  traps.plantHooks(folder, CLIENT_HOOKS);
  const lines = [
    [
      "core",
      `hooksPath = ${folder}/hooks`,
      `fsmonitor = ${MARKER}`,
      `editor = ${MARKER}`,
      `pager = ${MARKER}`,
    ],
    ["core", `askPass = ${MARKER}`, `gitProxy = ${MARKER}`],
    ["init", `templateDir = ${folder}/template`],
    ["protocol", "allow = always"],
    ['protocol "ext"', "allow = always"],
    ["alias", `fetch = !${MARKER}`, `push = !${MARKER}`, `cat-file = !${MARKER}`, `rev-list = !${MARKER}`],
    ["gc", `recentObjectsHook = ${MARKER}`, "auto = 1"],
    ["maintenance", "auto = true", "autoDetach = true"],
    ["gpg", `program = ${MARKER}`],
    ["push", "gpgSign = if-asked"],
    ["commit", "gpgSign = true"],
    ["diff", `external = ${MARKER}`],
    ['filter "x"', `smudge = ${MARKER}`, `clean = ${MARKER}`, `process = ${MARKER}`],
    ["include", `path = ${folder}/included`],
    ['includeIf "gitdir:/"', `path = ${folder}/included`],
    ["trace2", `eventTarget = ${folder}/trace`],
  ];
  const text = lines.map(([section, ...keys]) => `[${section}]\n${keys.map((key) => `\t${key}\n`).join("")}`);
  writeFileSync(`${folder}/user-config`, text.join(""));
  mkdirSync(`${folder}/home`);
  writeFileSync(`${folder}/home/.gitconfig`, text.join(""));
  writeFileSync(`${folder}/included`, `[core]\n\thooksPath = ${folder}/hooks\n\tfsmonitor = ${MARKER}\n`);
  for (const tool of ["git", "sh", "ssh", "env", "git-upload-pack", "git-receive-pack"]) {
    traps.put(`bin/${tool}`, traps.script(`planted-${tool}`));
  }
  mkdirSync(`${folder}/work/node_modules/.bin`, { recursive: true });
  for (const tool of ["git", "fleetd", "git-fetch", "sh"]) {
    traps.put(`work/${tool}`, traps.script(`here-${tool}`));
    traps.put(`work/node_modules/.bin/${tool}`, traps.script(`module-${tool}`));
  }
  fleet.git.git(`${folder}/work`, "init", "-q");
  traps.plantHooks(`${folder}/work/.git`);
  writeFileSync(`${folder}/work/.git/config`, text.join(""), { flag: "a" });
}, TIMEOUT_MS);
afterEach(() => traps.forget());
afterAll(() => fleet.remove());

const path = `${traps.programs}:${fleet.environment["PATH"]}`;

/** The commands that make git do everything it does for fleetd. */
async function useEverything(env: Record<string, string>, cwd = `${folder}/work`): Promise<void> {
  const options = { cwd, env: { PATH: path, ...env } };
  const words = [["send", "one", "--to", "code2"], ["inbox"], ["rebuild-index"], ["doctor"]];
  for (const one of words) {
    const ran = await fleet.run(one, { as: "code1", ...options });
    expect([one, [0, 1, 2].includes(ran.code), ran.stderr.includes("bug")]).toEqual([one, true, false]);
  }
  const { bodies, code } = await sent(options);
  expect([code, bodies]).toEqual([0, true]);
}

/** Whether what code1 said arrives at code2, in the same surroundings. */
async function sent(options: { cwd: string; env: Record<string, string> }) {
  const ran = await fleet.run(["inbox", "--json"], { as: "code2", ...options });
  return { code: ran.code, bodies: ran.stdout.includes('"body":"one"') };
}

describe.if(isPosix)("planted programs", () => {
  test(
    "would run, so the other tests would notice",
    () => {
      Bun.spawnSync(["git", "fetch"], { cwd: `${folder}/work`, env: { PATH: `${folder}/work:${path}` } });
      Bun.spawnSync([MARKER], { env: { PATH: path } });
      expect(traps.caught().length).toBe(2);
    },
    TIMEOUT_MS,
  );

  test.each<[string, Record<string, string>]>([
    [
      "the private store and the configurations of user and system",
      { HOME: `${folder}/home`, GIT_CONFIG_SYSTEM: `${folder}/user-config` },
    ],
    [
      "variables that hold settings, programs and repositories",
      {
        GIT_CONFIG_COUNT: "2",
        GIT_CONFIG_KEY_0: "core.fsmonitor",
        GIT_CONFIG_VALUE_0: MARKER,
        GIT_CONFIG_KEY_1: "protocol.ext.allow",
        GIT_CONFIG_VALUE_1: "always",
        GIT_CONFIG_PARAMETERS: `'core.hooksPath=${folder}/hooks'`,
        GIT_DIR: `${folder}/work/.git`,
        GIT_WORK_TREE: `${folder}/work`,
        GIT_INDEX_FILE: `${folder}/x`,
        GIT_OBJECT_DIRECTORY: `${folder}/x`,
        GIT_EXEC_PATH: `${folder}/bin`,
        GIT_TEMPLATE_DIR: `${folder}/template`,
        GIT_ALLOW_PROTOCOL: "ext:file:ssh:http",
        GIT_PROTOCOL_FROM_USER: "1",
        GIT_PROXY_COMMAND: MARKER,
        GIT_ASKPASS: MARKER,
        SSH_ASKPASS: MARKER,
        SSH_ASKPASS_REQUIRE: "force",
        GIT_EDITOR: MARKER,
        GIT_PAGER: MARKER,
        PAGER: MARKER,
        EDITOR: MARKER,
        GIT_EXTERNAL_DIFF: MARKER,
        GIT_TRACE2_EVENT: `${folder}/trace`,
        GIT_TRACE: `${folder}/trace`,
        NODE_OPTIONS: `--require ${folder}/x.js`,
        BASH_ENV: `${folder}/programs/${MARKER}`,
        ENV: `${folder}/programs/${MARKER}`,
      },
    ],
    ["the working folder, which parts of the PATH name", { PATH: `.::./node_modules/.bin:${path}:` }],
  ])(
    "of %s are never run",
    async (_, env) => {
      await useEverything(env);
      expect(traps.caught()).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "in the fields of a message are data to a handler: no word of it becomes a word of a command",
    async () => {
      const record = `${folder}/record`;
      traps.put("handler", `#!/bin/sh\n{ cat; env; echo "words $#"; } >> '${record}'\n`);
      const config = `${folder}/fleetd.yaml`;
      writeFileSync(config, `rules:\n  - name: all\n    run: [${folder}/handler, fixed]\n`, { mode: 0o600 });
      const env = { PATH: path };
      const monitor = await fleet.monitor("code2", ["--config", config, "--interval", "1"], {
        cwd: folder,
        env,
      });
      const words = [
        `$(${MARKER})`,
        `\`${MARKER}\``,
        `;${MARKER};`,
        `--exec=${MARKER}`,
        "../../x",
        `() { :;}; ${MARKER}`,
      ];
      for (const word of words) {
        const more = [
          "--label",
          `x=${word}`,
          `--idempotency-key=${word}`,
          "--kind",
          "request",
          "--wait",
          "queued",
        ];
        await fleet.text(["send", "--to", "code2", ...more, "--", `${word}\n${word}`, word], {
          as: "code1",
          env,
        });
      }
      await fleet.text(["send", "push", "--to", "code2"], { as: "code1", env });
      const isHandled = (word: string): boolean =>
        fileText(record).includes(`"subject":${JSON.stringify(word)}`);
      const deadlineMs = performance.now() + 60_000;
      while (!words.every(isHandled) && performance.now() < deadlineMs) await Bun.sleep(20);
      expect(words.filter((word) => !isHandled(word))).toEqual([]);
      await monitor.stop();
      // The one word of the configuration, and none more.
      expect(new Set(fileText(record).match(/^words \d+$/gm))).toEqual(new Set(["words 1"]));
      expect(traps.caught()).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

function fileText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // No handler has run yet.
    return "";
  }
}
