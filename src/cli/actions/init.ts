import { FleetError } from "../../base/errors.ts";
import { type InitReport, initServer, toRemoteUrl } from "../../daemon/init-server.ts";
import { openMailbox } from "../../daemon/open-mailbox.ts";
import type { Identity } from "../../fleet/messaging/identity.ts";
import { listPeers } from "../../fleet/messaging/peers.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { originOf } from "../../platform/git/origin.ts";
import { embeddedRemotePath, hostServerId, serverFolders, serverPaths } from "../../platform/paths.ts";
import { resolveReference } from "../../platform/secret-reference.ts";
import { commandSignal } from "../command-signal.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { openStyle } from "../output/terminal.ts";
import { loadSettings, type Settings } from "../settings.ts";
import { VERSION } from "../version.ts";

/** The arguments of `init`, as typed. */
export interface InitArguments {
  readonly remote: string | undefined;
  readonly repo: string | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
}

/** Makes a server and tells what was found and made. */
export async function init(args: InitArguments): Promise<void> {
  const settings = await loadSettings(args);
  const server = chooseServerId(settings);
  const remote = await chooseRemote(args, settings);
  if (serverFolders(settings.root).includes(server)) {
    printExisting(settings, { server, remote }, args);
    return;
  }
  const report = await initServer({
    root: settings.root,
    server,
    remote,
    version: VERSION,
    settings: settings.running,
    signal: commandSignal(),
  });
  if (args.json) printJson("init", toJson(report));
  else printReport(report, args);
}

/** The id that was asked for, or the host's name. @throws FleetError USAGE when the host's name cannot be one */
export function chooseServerId(settings: Settings): string {
  const id = settings.server ?? hostServerId();
  if (id !== null) return id;
  throw new FleetError("USAGE", "Cannot make a server id of this host's name: say one with --server ID");
}

/** The remote that was asked for; null for an embedded one. */
export async function chooseRemote(
  args: Pick<InitArguments, "remote" | "repo">,
  settings: Settings,
): Promise<string | null> {
  if (args.remote !== undefined && args.repo !== undefined) {
    throw new FleetError("USAGE", "Cannot use two remotes: give --remote or --repo");
  }
  if (args.remote !== undefined) return args.remote;
  const repo = args.repo ?? process.env["BUILD_REPO_PATH"];
  if (repo !== undefined && repo !== "") return await originOf(repo);
  return settings.remote === null ? null : resolveReference(settings.remote, process.env);
}

/** Asking twice is no error as long as it is the same question. */
function printExisting(
  settings: Settings,
  wanted: { server: string; remote: string | null },
  args: InitArguments,
): void {
  const { server, remote } = wanted;
  const mailbox = openMailbox(serverPaths(settings.root, server));
  // A copy: what stands in the mailbox is read from its database, which is closed below.
  const identity = { ...mailbox.identity };
  const found = {
    remote: mailbox.remote().displayUrl,
    folder: mailbox.paths.folder,
    servers: listPeers(mailbox.state).length,
  };
  mailbox.state.close();
  if (remote !== null && toRemoteUrl(remote) !== identity.remoteUrl) {
    throw new FleetError(
      "CANNOT_CREATE",
      `Cannot make "${server}" again: it is in the fleet on "${found.remote}"`,
      {
        hint: "Another remote is another server: choose another id with --server ID",
      },
    );
  }
  if (args.json) {
    const embedded = identity.remoteUrl === embeddedRemotePath(settings.root);
    printJson("init", {
      ...identityJson(identity),
      ...found,
      founded: false,
      existed: true,
      embedded,
      waiting: null,
    });
    return;
  }
  printText(`Server ${server} is already in fleet ${identity.fleet}; nothing was changed`);
}

function toJson(report: InitReport): Record<string, unknown> {
  return {
    ...identityJson(report.identity),
    founded: report.founded,
    existed: false,
    remote: report.displayUrl,
    embedded: report.embedded,
    folder: report.paths.folder,
    servers: report.serversFound,
    waiting: report.waiting,
  };
}

const identityJson = (identity: Identity): Record<string, unknown> => ({
  server: identity.server,
  fleet: identity.fleet,
  namespace: identity.namespace,
  object_format: identity.format,
  public_key: identity.publicKey,
});

function printReport(report: InitReport, args: InitArguments): void {
  const style = openStyle(args);
  const { identity } = report;
  const fingerprint = fingerprintOf(
    fromOpenSsh(identity.publicKey) ?? new Uint8Array(32),
    systemCryptography,
  );
  const place = report.customRefs
    ? "refs of its own"
    : "branches below fleet/, since it refuses refs of its own";
  const others =
    report.serversFound === 0 ? "no other server yet" : `${report.serversFound} server(s) there already`;
  printText(
    safe`${style.green("✓")} remote   ${report.displayUrl}: readable, writable, ${place} (${identity.format})`,
  );
  printText(
    safe`${style.green("✓")} fleet    ${identity.fleet} ${report.founded ? "founded" : "joined"}, ${others}`,
  );
  printText(safe`${style.green("✓")} server   ${style.bold(identity.server)} in ${report.paths.folder}`);
  printText(safe`${style.green("✓")} key      ${fingerprint}`);
  if (report.waiting !== null) printText(safe`! the first push is still to come: ${report.waiting}`);
  printText("");
  const remote = report.embedded ? identity.remoteUrl : report.displayUrl;
  printText("Add a server (over a network, use an ssh:// URL of this path):");
  printText(`  fleetd init --remote ${quote(remote)} --server NAME`);
  printText("Then leave a monitor running, and send:");
  printText(`  fleetd monitor --server ${identity.server}`);
  printText(
    `  fleetd send "Status report please" "Hello" --to NAME --server ${identity.server} --wait replied`,
  );
}

const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
