import { firstLineOf } from "../../base/errors.ts";
import type { GitRemote, RemoteFailure } from "../../base/ports/git-remote.ts";
import { knownMeta, parseMeta } from "../../fleet/messaging/fleet-meta.ts";
import { LIMITS } from "../../fleet/messaging/model.ts";
import { exists } from "../../platform/files.ts";
import { findOldLocks } from "../../platform/git/inspect-store.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { checkOwnRefs } from "./check-own-refs.ts";
import { type Diagnosis, healthy, mendable, type Patient, trouble } from "./diagnosis.ts";

/** The remote: whether it answers, whether it is still this fleet's, who writes on our refs, locks on them. */
export async function checkRemote(
  patient: Patient,
  mailbox: Mailbox,
  nowWallMs: number,
): Promise<Diagnosis[]> {
  const remote = mailbox.remote();
  const { identity } = mailbox;
  const listed = await remote.listRefs([identity.namespace], patient.ask);
  if (!listed.ok) return [unanswered(remote, listed.error)];
  const { refs, format } = listed.value;
  const found: Diagnosis[] = [healthy("remote", `${remote.displayUrl} answers`)];
  if (format !== null && format !== identity.format) {
    const evidence = `${remote.displayUrl} has ${format} objects, this server ${identity.format}: it is another repository`;
    found.push(trouble("remote-format", "critical", { evidence, fix: OTHER_REPOSITORY }));
  }
  return [
    ...found,
    await checkFleet(mailbox, refs),
    ...checkNamespace(mailbox),
    ...(await checkOwnRefs(mailbox, refs, patient.ask)),
    ...checkOwnLocks(mailbox, remote, nowWallMs),
  ];
}

const OTHER_REPOSITORY =
  "Put the fleet's repository back there; a new fleet needs new servers: fleetd init --server ID --remote URL";

const FIXES: Readonly<Record<RemoteFailure["kind"], string>> = {
  unreachable: "See whether git reaches it",
  timeout: "See whether git reaches it",
  unauthorised: "See whether git may read it: a key, a token or a credential helper is missing",
  "no-repository": "Put the repository back, or correct its address",
  "format-mismatch": OTHER_REPOSITORY,
  failed: "See what git says",
};

function unanswered(remote: GitRemote, failure: RemoteFailure): Diagnosis {
  const evidence = `${remote.displayUrl}: ${failure.kind}: ${firstLineOf(failure.detail)}`;
  const look = `GIT_TERMINAL_PROMPT=0 git ls-remote "${remote.displayUrl}"`;
  return trouble("remote", "critical", { evidence, fix: `${FIXES[failure.kind]}: ${look}` });
}

async function checkFleet(mailbox: Mailbox, refs: ReadonlyMap<string, string>): Promise<Diagnosis> {
  const { identity } = mailbox;
  const meta = refs.get(`${identity.namespace}meta`);
  if (meta === undefined) {
    const evidence = `${identity.namespace}meta is not on the remote: it was emptied, or is another repository`;
    return trouble("remote-fleet", "critical", { evidence, fix: OTHER_REPOSITORY });
  }
  const other = await otherFleet(mailbox, meta);
  if (other !== null) {
    const evidence = `another fleet is on the remote: ${identity.namespace}meta is ${other}`;
    return trouble("remote-fleet", "critical", { evidence, fix: OTHER_REPOSITORY });
  }
  return healthy("remote-fleet", `fleet ${identity.fleet}, format 1`);
}

// A look fetches whatever `meta` the remote has: what it says counts, and its id only where it is not here.
async function otherFleet({ identity, state, store }: Mailbox, meta: string): Promise<string | null> {
  const [json] = await store().readObjects([`${meta}:meta.json`], LIMITS.cardBytesMax);
  if (json?.status === "found") {
    const fleet = parseMeta(json.content)?.fleet;
    return fleet === identity.fleet ? null : `of ${fleet ?? "another format"}, not of ${identity.fleet}`;
  }
  const known = knownMeta(state);
  return known === null || meta === known ? null : `${meta.slice(0, 12)}, not ${known.slice(0, 12)}`;
}

function checkNamespace({ identity }: Mailbox): Diagnosis[] {
  if (identity.namespace === "refs/fleet/") return [healthy("namespace", "the host takes refs/fleet/")];
  return [healthy("namespace", `the host refuses refs of its users' own; ${identity.namespace} is used`)];
}

function checkOwnLocks(mailbox: Mailbox, remote: GitRemote, nowWallMs: number): Diagnosis[] {
  const { folder } = remote;
  if (folder === null) return [];
  const { namespace, server } = mailbox.identity;
  const refs = ["log", "state"].map((kind) => `${namespace}${kind}/${server}`);
  const own = refs.filter((ref) =>
    findOldLocks(folder, nowWallMs).some(({ path }) => path === `${folder}/${ref}.lock`),
  );
  const others = findOldLocks(folder, nowWallMs).filter(({ path }) => path === `${folder}/packed-refs.lock`);
  return [
    ...own.map((ref) => {
      const path = `${folder}/${ref}.lock`;
      const run = (): void => {
        remote.clearStaleLock(ref, nowWallMs);
        if (exists(path)) throw new Error(`Cannot remove "${path}": a process may be holding it`);
      };
      const mend = { what: `remove ${path} if no process can be holding it`, isSafe: true, run };
      return mendable("remote-locks", "warn", {
        evidence: `${path} was left by a push that was killed`,
        mend,
      });
    }),
    ...others.map(({ path }) =>
      trouble("remote-locks", "warn", {
        evidence: `${path} is older than a minute: somebody's git was killed`,
        fix: `When no git works there: rm "${path}"`,
      }),
    ),
  ];
}
