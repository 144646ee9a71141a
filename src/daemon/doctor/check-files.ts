import { basename, dirname } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { parseServerId } from "../../fleet/messaging/model.ts";
import { toOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { formatMode, readMode, setMode } from "../../platform/file-mode.ts";
import { exists, removeTree } from "../../platform/files.ts";
import { readKeyFile, writePublicKey } from "../../platform/key-file.ts";
import { findLeftovers } from "../leftovers.ts";
import { nextKeyTask } from "../own-keys.ts";
import { type Diagnosis, healthy, mendable, type Patient, trouble } from "./diagnosis.ts";

/** Folder, key and what lies about: rights, owner, whether the key is the one that the fleet knows. */
export async function checkFiles(patient: Patient): Promise<Diagnosis[]> {
  const { paths } = patient;
  return [
    checkMode("folder-mode", paths.folder, 0o700),
    ...(exists(paths.key) ? [checkMode("key-mode", paths.key, 0o600)] : []),
    ...(await checkKey(patient)),
    ...checkServerId(patient),
    checkLeftovers(patient),
  ];
}

function checkMode(id: string, path: string, wanted: number): Diagnosis {
  const found = readMode(path);
  if (found === null) return healthy(id, `${path} has no mode to check here`);
  if (!found.isOwn) {
    const fix = `chown -R "$(id -un)" "${path}"`;
    return trouble(id, "critical", { evidence: `${path} belongs to another user`, fix });
  }
  if ((found.mode & ~wanted) === 0 && (found.mode & 0o400) !== 0) {
    return healthy(id, `${path} is for this user alone (${formatMode(found.mode)})`);
  }
  const evidence = `${path} has mode ${formatMode(found.mode)}, it should be ${formatMode(wanted)}`;
  const what = `chmod ${formatMode(wanted)} ${path}`;
  const mend = { what, isSafe: true, run: () => setMode(path, wanted) };
  return mendable(id, "warn", { evidence, mend });
}

async function checkKey({ paths, mailbox }: Patient): Promise<Diagnosis[]> {
  const fix = `Put the key back from a backup (${paths.key}, mode 0600); without it this server needs a new id: fleetd init --server ID`;
  if (!exists(paths.key)) {
    return [trouble("key", "critical", { evidence: `the private key ${paths.key} is missing`, fix })];
  }
  let openSsh: string;
  try {
    openSsh = toOpenSsh((await readKeyFile(paths.key)).publicKey);
  } catch (thrown) {
    return [trouble("key", "critical", { evidence: messageOf(thrown), fix })];
  }
  if (!mailbox.ok) return [healthy("key", `${paths.key} is a key; whose, the state cannot tell`)];
  const { publicKey, server } = mailbox.value.identity;
  // A change that was cut off has the own key in another file, and is a finding of its own.
  if (publicKey !== openSsh && (await nextKeyTask(paths, mailbox.value.state)) === "install") return [];
  if (publicKey !== openSsh) {
    const evidence = `${paths.key} is another key than the one that the fleet knows of ${server}`;
    return [trouble("key", "critical", { evidence, fix })];
  }
  const publicPath = `${paths.key}.pub`;
  if (exists(publicPath)) return [healthy("key", `${paths.key} is the key that the fleet knows`)];
  const run = (): void => writePublicKey(paths.key, openSsh, server);
  const mend = { what: `write ${publicPath} from the private key`, isSafe: true, run };
  return [mendable("key-pub", "warn", { evidence: `${publicPath} is missing`, mend })];
}

function checkServerId({ paths, mailbox }: Patient): Diagnosis[] {
  const name = basename(paths.folder);
  const parsed = parseServerId(name);
  if (!parsed.ok) {
    const fix = `Move ${paths.folder} away and choose another id: fleetd init --server ID`;
    return [trouble("server-id", "critical", { evidence: parsed.error, fix })];
  }
  if (!mailbox.ok) return [];
  const { server } = mailbox.value.identity;
  if (server === name) return [healthy("server-id", `${server}`)];
  const evidence = `the folder ${paths.folder} holds the server "${server}"`;
  const fix = `Stop its monitor, then: mv "${paths.folder}" "${dirname(paths.folder)}/${server}"`;
  return [trouble("server-id", "critical", { evidence, fix })];
}

function checkLeftovers({ paths }: Patient): Diagnosis {
  const found = [...findLeftovers(dirname(paths.folder)), ...findLeftovers(paths.folder)];
  if (found.length === 0) return healthy("leftovers", "nothing half-made lies about");
  const evidence = `left by a process that was killed: ${found.join(", ")}`;
  const run = (): void => {
    for (const path of found) removeTree(path);
  };
  const mend = { what: `remove ${found.join(", ")}`, isSafe: true, run };
  return mendable("leftovers", "warn", { evidence, mend });
}
