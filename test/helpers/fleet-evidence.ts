/**
 * Reads what a sandbox's fleet really did: the remote by plain git, the servers by their databases and by what
 * `fleetd inbox --json` answers. Nothing of fleetd's own reading code takes part.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";
import type { Evidence, RemoteEntry, ServerEvidence } from "./fleet-checker.ts";
import type { FleetSandbox } from "./fleet-sandbox.ts";
import { inParallel } from "./in-parallel.ts";
import type { WorkEvidence } from "./judge-work.ts";
import { processesLeft } from "./kill.ts";
import { parseLog } from "./wire-log.ts";

/** A git that lost its parent ends with its push; chosen, far above the slowest seen. */
const PROCESSES_WITHIN_MS = 60_000;

/**
 * Reads everything once the fleet came to rest and no daemon runs any more. `readers`: the servers whose inbox is asked
 * for, all of them if not given.
 */
export async function gather(
  sandbox: FleetSandbox,
  readers: readonly string[] = sandbox.servers,
): Promise<Evidence> {
  const places = [sandbox.folder, sandbox.serversFolder];
  const processes = await Promise.all(places.map((place) => processesLeft(place, PROCESSES_WITHIN_MS)));
  const entries = readLogs(sandbox);
  const servers = await inParallel(sandbox.servers, 4, (server) =>
    readServer(sandbox, { server, isReader: readers.includes(server), entries }),
  );
  const repositories = [sandbox.remote, ...sandbox.servers.map((server) => sandbox.filesOf(server).store)];
  const fsck = await inParallel(repositories, 4, (folder) => checkRepository(sandbox, folder));
  return {
    entries,
    servers,
    fsck: fsck.flat(),
    locks: repositories.flatMap(listLocks),
    processes: [...new Set(processes.flat())],
  };
}

/** Every entry of every log on the remote, as plain git shows it. */
export function readLogs({ temp, remote }: Pick<FleetSandbox, "temp" | "remote">): RemoteEntry[] {
  const words = ["for-each-ref", "--format=%(objectname) %(refname:lstrip=3)", "refs/fleet/log/"];
  const refs = linesOf(temp.git(remote, ...words)).map((line) => line.split(" ") as [string, string]);
  if (refs.length === 0) return [];
  const commits = linesOf(temp.git(remote, "rev-list", "--parents", ...refs.map(([tip]) => tip)));
  const parents = new Map(commits.map((line) => line.split(" ", 2) as [string, string | undefined]));
  const logs = refs.map(([tip, writer]) => ({ writer, commits: chainOf(tip, parents) }));
  // Three processes for all logs, since this is asked again and again while something is waited for.
  const blobs = readBlobs(temp, remote, [...parents.keys()]).map((blob) => blob.toString("utf8"));
  const textOf = new Map([...parents.keys()].map((id, index) => [id, blobs[index] ?? ""]));
  return logs.flatMap((log) =>
    parseLog(
      log.writer,
      log.commits.map((id) => textOf.get(id) ?? ""),
    ),
  );
}

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** A commit and its first parents, the oldest one first. */
function chainOf(tip: string, parents: ReadonlyMap<string, string | undefined>): string[] {
  const commits: string[] = [];
  for (let at: string | undefined = tip; at !== undefined; at = parents.get(at)) commits.push(at);
  return commits.toReversed();
}

function readBlobs(temp: FleetSandbox["temp"], folder: string, commits: readonly string[]): Buffer[] {
  const names = commits.map((id) => `${id}:entries.jsonl\n`).join("");
  const answer = Bun.spawnSync(["git", "-C", folder, "cat-file", "--batch"], {
    env: temp.environment,
    stdin: Buffer.from(names),
  }).stdout;
  const blobs: Buffer[] = [];
  let offset = 0;
  while (offset < answer.length) {
    const end = answer.indexOf(0x0a, offset);
    const size = Number(answer.toString("latin1", offset, end).split(" ")[2]);
    // Without a size: "missing". What the others hold is read all the same.
    const isThere = Number.isInteger(size);
    blobs.push(answer.subarray(end + 1, isThere ? end + 1 + size : end + 1));
    offset = isThere ? end + 1 + size + 1 : end + 1;
  }
  return blobs;
}

async function readServer(
  sandbox: FleetSandbox,
  what: { server: string; isReader: boolean; entries: readonly RemoteEntry[] },
): Promise<ServerEvidence> {
  const { server, isReader, entries } = what;
  const inbox = isReader ? await readInbox(sandbox, server) : null;
  const files = sandbox.filesOf(server);
  const state = readDatabase(files.state);
  const index = readDatabase(files.index);
  try {
    return {
      server,
      inbox,
      work: readWork(sandbox, { server, state, entries }),
      outbox: state
        .query<{ id: string; state: string; pushedWallMs: number | null }, []>(
          "SELECT id, state, pushed_wall_ms AS pushedWallMs FROM outbox",
        )
        .all(),
      journal: state
        .query<{ from: string; id: string; reply: string }, []>(
          'SELECT message_from AS "from", message_id AS id, reply_id AS reply FROM journal',
        )
        .all(),
      quarantined: index
        .query<{ text: string }, []>(
          "SELECT server || ' ' || place || ': ' || reason AS text FROM quarantine",
        )
        .all()
        .map((row) => row.text),
    };
  } finally {
    state.close();
    index.close();
  }
}

/** What the handler of a server did, from its own file, from the journal, and from the receipts on the remote. */
function readWork(
  sandbox: FleetSandbox,
  what: { server: string; state: Database; entries: readonly RemoteEntry[] },
): WorkEvidence | undefined {
  const { server, state, entries } = what;
  const handler = sandbox.handlers.get(server);
  if (handler === undefined) return undefined;
  const lines = existsSync(handler.file) ? readFileSync(handler.file, "utf8").split("\n") : [];
  const noted = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.split(" ")[1] ?? ""] : []));
  const isWanted = ({ type, to, from, auto, body }: RemoteEntry): boolean =>
    type === "message" && !auto && from !== server && to.includes(server) && handler.isWanted(body);
  return {
    wanted: entries.filter(isWanted).map((entry) => entry.id),
    began: noted("began"),
    ended: noted("ended"),
    rows: state.query<{ id: string; state: string }, []>("SELECT message_id AS id, state FROM runs").all(),
    receipts: entries.flatMap(({ writer, receipt }) =>
      writer === server && receipt?.state === "handled" ? [receipt.message] : [],
    ),
    runsMax: handler.runsMax,
  };
}

async function readInbox(sandbox: FleetSandbox, server: string): Promise<ServerEvidence["inbox"]> {
  const listed = await sandbox.run(server, ["inbox", "--json", "--limit", "1000000"]);
  if (listed.exitCode !== 0)
    throw new Error(`inbox of ${server} ended with ${listed.exitCode}: ${listed.stderr}`);
  const { messages } = JSON.parse(listed.stdout) as { messages: { id: string; from: string; seq: number }[] };
  // Listed newest first; priorities are all alike in these tests.
  return messages.toReversed().map(({ id, from, seq }) => ({ id, from, seq }));
}

/** For reading; a WAL database needs its folder to be writable for that. */
const readDatabase = (path: string): Database => new Database(path, { readwrite: true });

async function checkRepository({ temp }: FleetSandbox, folder: string): Promise<string[]> {
  // A commit graph that somebody's `git gc` wrote may name commits that his `git repack -ad` took away, which harms nothing.
  const words = ["-c", "core.commitGraph=false", "fsck", "--strict", "--no-dangling", "--no-progress"];
  const child = Bun.spawn(["git", "-C", folder, ...words], {
    env: temp.environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const exitCode = await child.exited;
  const lines = output
    .join("\n")
    .split("\n")
    // HEAD names a branch that a fleet never makes.
    .filter((line) => line !== "" && !line.startsWith("notice: "));
  if (exitCode !== 0 && lines.length === 0) lines.push(`exit code ${exitCode}`);
  return lines.map((line) => `${folder}: ${line}`);
}

/** Not below all of `objects`: a push that is under way makes folders there and takes them away again. */
const LOCKS = ["*.lock", "refs/**/*.lock", "objects/{info,pack}/*.lock"];

/** Lock files of git in a repository. */
export function listLocks(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return LOCKS.flatMap((glob) => [...new Bun.Glob(glob).scanSync({ cwd: folder })]).map(
    (name) => `${folder}/${name}`,
  );
}
