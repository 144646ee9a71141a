import { readFileSync } from "node:fs";
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import {
  type AddPlan,
  applyAdd,
  isKnownHere,
  planAdd,
  revokeTrust,
  type ShownKey,
  shownKey,
} from "../../fleet/messaging/change-trust.ts";
import type { ReceivePorts } from "../../fleet/messaging/mailbox-ports.ts";
import { countUnreadOf, lastPosition } from "../../fleet/messaging/mailbox-queries.ts";
import { parseServerId } from "../../fleet/messaging/model.ts";
import { ingestStore } from "../../fleet/messaging/receive-messages.ts";
import { fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { findTrust, fingerprintOfKey, trustOf } from "../../fleet/messaging/trust.ts";
import { trustEntryOf } from "../../fleet/messaging/trust-view.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { typed, withSession } from "../session.ts";
import { TRUST_WORDS, type TrustListArguments, toTrustJson } from "./trust-list.ts";

/** The arguments of `trust revoke`, as typed. */
export interface RevokeArguments extends Omit<TrustListArguments, "offline"> {
  readonly id: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
}

/** The arguments of `trust add`, as typed. */
export interface AddArguments extends RevokeArguments {
  readonly key: readonly string[];
  readonly file: string | undefined;
  readonly offline: boolean;
}

/** Trusts a key of another server: one that was never seen, one that waits, or another one than before. */
export async function addTrust(args: AddArguments): Promise<void> {
  const server = typed(parseServerId(args.id));
  const named = namedKey(args);
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const ports = session.mailbox().receivePorts();
    requireOther(ports, server, "trust");
    const shown = await shownKey(ports, server);
    const plan = planAdd(ports, server, { named, shown });
    if (!plan.ok) throw new FleetError("BAD_INPUT", `Cannot trust "${server}": ${plan.error}`);
    if (plan.value.kind === "replace" && !args.yes && !args.dryRun)
      throw unconfirmed(ports, server, plan.value);
    const upTo = lastPosition(ports.index);
    const unread = countUnreadOf(ports.index, server, upTo);
    const isTurned = plan.value.kind === "replace" || trustOf(ports, server).kind === "refused";
    if (!args.dryRun) await add(ports, server, { plan: plan.value, shown });
    const left = args.dryRun ? (isTurned ? 0 : unread) : countUnreadOf(ports.index, server, upTo);
    printAdded(ports, server, { plan: plan.value, args, turned: unread - left });
  });
}

async function add(
  ports: ReceivePorts,
  server: string,
  what: { readonly plan: AddPlan; readonly shown: ShownKey | null },
): Promise<void> {
  applyAdd(ports, server, what);
  await ingestStore(ports);
}

function unconfirmed(
  ports: ReceivePorts,
  server: string,
  plan: Extract<AddPlan, { kind: "replace" }>,
): FleetError {
  const [old, next] = [plan.previous, plan.key].map((key) => printOf(ports, key));
  return new FleetError(
    "USAGE",
    `Cannot replace the key of "${server}" without --yes: its key is ${old}, and would be ${next}`,
    { hint: "Ask its owner, by another way than this remote, whether that is its key" },
  );
}

const printOf = ({ cryptography }: ReceivePorts, key: string): string =>
  fingerprintOfKey(key, cryptography) ?? key;

function printAdded(
  ports: ReceivePorts,
  server: string,
  done: { readonly plan: AddPlan; readonly args: AddArguments; readonly turned: number },
): void {
  const { plan, args, turned } = done;
  const print = printOf(ports, plan.key);
  const previous = plan.kind === "replace" ? printOf(ports, plan.previous) : null;
  if (args.json) {
    const entry = toTrustJson(trustEntryOf(ports, server));
    const became = { previous, unread_to_history: turned, dry_run: args.dryRun };
    printJson("trust.add", { ...entry, fingerprint: print, ...became });
    return;
  }
  const verb = args.dryRun ? "Would trust" : "Trusted";
  const instead = previous === null ? "" : `, instead of ${previous}`;
  printText(`${verb}: ${server} ${print}${instead}`);
  const lost = turned === 1 ? "1 unread message" : `${turned} unread messages`;
  if (turned > 0) printText(`${args.dryRun ? "Would make history" : "History now"}: ${lost} of ${server}`);
  if (args.dryRun) return;
  if (plan.kind === "expect" && trustEntryOf(ports, server).publicKey === null)
    printText("Nothing of it was seen yet; only this key will be taken for it");
  else printText("What it wrote up to now is history: readable, and never answered");
}

/** Stops accepting anything of a server. */
export async function revoke(args: RevokeArguments): Promise<void> {
  const server = typed(parseServerId(args.id));
  await withSession(args, async (session) => {
    const ports = session.mailbox().receivePorts();
    await Promise.resolve(requireOther(ports, server, "revoke"));
    if (!isKnownHere(ports, server)) {
      throw new FleetError("BAD_INPUT", `Cannot revoke "${server}": no such server is known here`);
    }
    const entry = trustEntryOf(ports, server);
    const isNew = findTrust(ports.state, server)?.word !== "revoked";
    if (!args.yes && !args.dryRun && isNew) {
      throw new FleetError(
        "USAGE",
        `Cannot revoke "${server}" without --yes: nothing of ${entry.fingerprint ?? "it"} would be accepted any more`,
        { hint: "See what it would be with --dry-run" },
      );
    }
    if (isNew && !args.dryRun) revokeTrust(ports, server);
    if (args.json) {
      const after = toTrustJson(trustEntryOf(ports, server));
      printJson("trust.revoke", { ...after, dry_run: args.dryRun });
      return;
    }
    printText(tellRevoked(server, { isNew, dryRun: args.dryRun, was: TRUST_WORDS[entry.how] }));
  });
}

function tellRevoked(
  server: string,
  { isNew, dryRun, was }: { readonly isNew: boolean; readonly dryRun: boolean; readonly was: string },
): string {
  if (!isNew) return `${server} was revoked before`;
  if (dryRun) return `Would revoke ${server} (${was}): nothing of it would be accepted any more`;
  return `Revoked ${server}: nothing of it is accepted from now on; what was accepted before stays readable`;
}

/** The key or fingerprint that was given, null for none. @throws FleetError USAGE, BAD_INPUT */
function namedKey({ key, file }: AddArguments): string | null {
  if (file !== undefined) {
    if (key.length > 0)
      throw new FleetError("USAGE", "Cannot take the key from two places: words and --file");
    const text = readKeyText(file);
    const found = toNamed(text);
    if (found !== null) return found;
    throw new FleetError("BAD_INPUT", `Cannot use "${file}": it holds no ssh-ed25519 key and no fingerprint`);
  }
  if (key.length === 0) return null;
  const found = toNamed(key.join(" "));
  if (found !== null) return found;
  throw new FleetError(
    "USAGE",
    `Cannot read key "${key.join(" ").slice(0, 80)}": need "ssh-ed25519 ..." or "SHA256:..."`,
  );
}

function toNamed(text: string): string | null {
  const [first = "", second = ""] = text.trim().split(/\s+/);
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(first)) return first;
  const openSsh = `${first} ${second}`;
  return fromOpenSsh(openSsh) === null ? null : openSsh;
}

function readKeyText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw causedBy("BAD_INPUT", `Cannot read a key from "${file}": ${messageOf(thrown)}`, thrown);
  }
}

function requireOther({ identity }: ReceivePorts, server: string, verb: string): void {
  if (server !== identity.server) return;
  throw new FleetError("BAD_INPUT", `Cannot ${verb} "${server}": it is this server`, {
    hint: "fleetd trust rotate gives it a new key",
  });
}
