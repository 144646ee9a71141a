import { EXIT_CODES, FleetError, firstLineOf } from "../../base/errors.ts";
import { purgeTrust } from "../../fleet/messaging/change-trust.ts";
import { clearAlarm } from "../../fleet/messaging/index-troubles.ts";
import { listProgress } from "../../fleet/messaging/message-index.ts";
import { findPeer, type Peer, readmitPeer, setForgotten } from "../../fleet/messaging/peers.ts";
import { deleteRefs, findRefsOf } from "../../fleet/messaging/purge-server.ts";
import { systemClock } from "../../platform/clock.ts";
import { commandSignal } from "../command-signal.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";

/** The arguments of `servers remember`, as typed. */
export interface RememberArguments {
  readonly id: string;
  readonly json: boolean;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** The arguments of `servers forget`, as typed. */
export interface ForgetArguments extends RememberArguments {
  readonly purge: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** Leaves a server out of broadcasts and groups from now on, and with `--purge` deletes its refs on the remote. */
export async function forgetServer(args: ForgetArguments): Promise<number> {
  return await withSession(args, async (session) => {
    await refreshIndex(session, { offline: !args.purge });
    requireKnown(session, args.id, "forget");
    if (args.purge) return await purge(session, args);
    const { state } = session.mailbox();
    if (!args.dryRun) state.transaction(() => setForgotten(state, args.id, systemClock.wallMs()));
    if (args.json)
      printJson("servers.forget", { id: args.id, forgotten: !args.dryRun, dry_run: args.dryRun });
    else {
      const verb = args.dryRun ? "would be" : "is";
      printText(
        `${args.id} ${verb} left out of broadcasts and groups from now on; nothing of it was deleted, and fleetd servers shows it as forgotten`,
      );
    }
    return 0;
  });
}

async function purge(session: Session, args: ForgetArguments): Promise<number> {
  const { id } = args;
  const ports = await session.mailbox().sendPorts();
  const options = { timeoutMs: REMOTE_TIMEOUT_MS, signal: commandSignal() };
  const refs = await findRefsOf(ports, id, options);
  if (args.dryRun) return printPurge(args, { deleted: [...refs.keys()], refused: new Map() });
  if (!args.yes) {
    const what = refs.size === 1 ? "1 ref" : `${refs.size} refs`;
    throw new FleetError(
      "USAGE",
      `Cannot purge "${id}": ${what} of it would be gone for everybody, need --yes`,
      {
        hint: "See which with --dry-run",
      },
    );
  }
  const { state } = ports;
  state.transaction(() => setForgotten(state, id, systemClock.wallMs()));
  const refused = await deleteRefs(ports, refs, options);
  if (refused.size === 0) {
    state.transaction(() => purgeTrust(state, id, systemClock.wallMs()));
  }
  return printPurge(args, { deleted: [...refs.keys()].filter((ref) => !refused.has(ref)), refused });
}

interface Purged {
  readonly deleted: readonly string[];
  readonly refused: ReadonlyMap<string, string>;
}

function printPurge({ id, json, dryRun }: ForgetArguments, { deleted, refused }: Purged): number {
  const isPurged = !dryRun && refused.size === 0;
  const code = refused.size === 0 ? 0 : EXIT_CODES.FAILED;
  if (json) {
    const facts = {
      forgotten: !dryRun,
      purged: isPurged,
      refs: deleted,
      refused: Object.fromEntries(refused),
      dry_run: dryRun,
    };
    printJson("servers.forget", { id, ...facts });
    return code;
  }
  for (const ref of deleted) printText(`${dryRun ? "Would delete" : "Deleted"} ${ref}`);
  for (const [ref, reason] of refused) printText(`Not deleted ${ref}: ${firstLineOf(reason)}`);
  if (isPurged)
    printText(`${id} is forgotten; what it sent stays readable here, and nothing new of it is taken`);
  return code;
}

/** Takes a forgotten server back: what it says from now on is acted on, what it said meanwhile is readable. */
export async function rememberServer(args: RememberArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, { offline: false });
    const peer = requireKnown(session, args.id, "remember");
    if (peer.purged) {
      throw new FleetError(
        "BAD_INPUT",
        `Cannot remember "${args.id}": its refs were deleted, need trust in it`,
        {
          hint: `fleetd trust add ${args.id} takes it back`,
        },
      );
    }
    const mailbox = session.mailbox();
    const { state } = mailbox;
    const index = mailbox.index();
    if (peer.forgotten) {
      const from = listProgress(index).get(args.id) ?? null;
      state.transaction(() => readmitPeer(state, args.id, from));
      index.transaction(() => clearAlarm(index, args.id, "returned"));
    }
    if (args.json) printJson("servers.remember", { id: args.id, remembered: peer.forgotten });
    else printText(peer.forgotten ? `${args.id} takes part again` : `${args.id} was not forgotten`);
  });
}

function requireKnown(session: Session, id: string, verb: string): Peer {
  const { state, identity } = session.mailbox();
  if (id === identity.server) throw new FleetError("BAD_INPUT", `Cannot ${verb} "${id}": it is this server`);
  const peer = findPeer(state, id);
  if (peer !== null) return peer;
  throw new FleetError("BAD_INPUT", `Cannot ${verb} "${id}": no such server is known here`);
}
