import { mkdirSync } from "node:fs";
import { createGitStore } from "../../src/platform/git/local-git-store.ts";
import { commitObjects } from "../helpers/temp-git.ts";
import type { Bench, Context } from "./context.ts";
import { interleave, timeProgram } from "./measure.ts";
import { type Row, ratioRow } from "./row.ts";
import { makeServer, startDaemon, untilPushed } from "./servers.ts";

/** `fleetd send` through a running daemon, until the answer that it is durable. */
export const sendToDaemon: Bench = {
  name: "send-daemon",
  async run(context) {
    const { fleetd, temp, runs } = context;
    const server = await makeServer(context, "alone", temp.bare());
    const daemon = await startDaemon(context, server);
    const mailbox = server.open();
    const run = (...words: string[]): number =>
      timeProgram([fleetd, ...words], { environment: server.environment, folder: temp.folder });
    try {
      const values = await interleave(runs(30), {
        async version() {
          // The push of the message before belongs to the daemon and to neither side.
          await untilPushed(mailbox);
          await Bun.sleep(20);
          return run("--version");
        },
        async send() {
          await untilPushed(mailbox);
          await Bun.sleep(20);
          return run("send", "Measured", "--wait", "queued");
        },
      });
      const what = "fleetd send to a daemon, durable answer";
      const against = { what: "fleetd --version", values: values.version };
      return [ratioRow({ name: "send-daemon", what, limit: 3 }, values.send, against)];
    } finally {
      await mailbox.close();
      await daemon.stop();
    }
  },
};

/** `fleetd send` without a daemon, until the remote confirmed it, against the push alone. */
export const sendConfirmed: Bench = {
  name: "send-confirmed",
  async run(context) {
    const { fleetd, temp, runs } = context;
    const server = await makeServer(context, "alone", temp.bare());
    const pushNext = await prepareBarePush(context, runs(30) + 1);
    const run = (...words: string[]): number =>
      timeProgram([fleetd, ...words], { environment: server.environment, folder: temp.folder });
    const values = await interleave(runs(30), {
      push: pushNext,
      version: () => run("--version"),
      send: () => run("send", "Measured"),
    });
    const both = values.push.map((pushMs, pair) => pushMs + (values.version[pair] ?? 0));
    const what = "fleetd send without a daemon, confirmed on a file remote";
    const against = { what: "bare git push + fleetd --version", values: both };
    return [ratioRow({ name: "send-confirmed", what, limit: 2.5 }, values.send, against)] satisfies Row[];
  },
};

/** Commits one behind the other; each call pushes exactly the next one with git's own defaults. */
async function prepareBarePush({ temp }: Context, count: number): Promise<() => number> {
  const remote = temp.bare();
  const folder = temp.path("bare-push");
  mkdirSync(folder);
  const store = createGitStore(`${folder}/store.git`, "sha1");
  const commits: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const objects = commitObjects("sha1", `{"number":${number}}\n`, commits.at(-1) ?? null);
    store.writeObjects(objects, false);
    commits.push(objects[2].id);
  }
  await store.close();
  const next = commits.values();
  return () => {
    const commit = next.next().value;
    if (commit === undefined) throw new Error("Broken invariant: more pushes than prepared commits");
    const words = ["git", "push", "--quiet", remote, `${commit}:refs/fleet/log/alone`];
    return timeProgram(words, { environment: temp.environment, folder: `${folder}/store.git` });
  };
}
