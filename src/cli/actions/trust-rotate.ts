import { EXIT_CODES, FleetError, firstLineOf } from "../../base/errors.ts";
import { changeOwnKey } from "../../daemon/own-keys.ts";
import { isRotated, type PendingRotation } from "../../fleet/messaging/rotate-key.ts";
import { fingerprintOfKey } from "../../fleet/messaging/trust.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { commandSignal } from "../command-signal.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";
import type { TrustListArguments } from "./trust-list.ts";

/** The arguments of `trust rotate`, as typed. */
export interface RotateArguments extends Omit<TrustListArguments, "offline"> {
  readonly yes: boolean;
  readonly dryRun: boolean;
}

/** How often the state is asked whether the monitor has pushed. */
const LOOK_EVERY_MS = 20;

/** Gives this server a new key. Exit code 75 while the remote has not confirmed it: it is done here all the same. */
export async function rotate(args: RotateArguments): Promise<number> {
  return await withSession(args, async (session) => {
    const { identity } = session.mailbox();
    const { server, publicKey } = identity;
    const old = fingerprintOfKey(publicKey, systemCryptography) ?? publicKey;
    if (args.dryRun) {
      if (args.json) printJson("trust.rotate", { server, previous: old, dry_run: true });
      else printText(`Would change the key of ${server}, which is ${old}`);
      return 0;
    }
    if (!args.yes) {
      throw new FleetError("USAGE", `Cannot change the key of "${server}" without --yes: it is ${old}`, {
        hint: "See what it would be with --dry-run",
      });
    }
    const rotation = await changeOwnKey(session.mailbox(), { signal: commandSignal() });
    const isPushed = await pushNow(session, rotation);
    tell(server, { args, rotation, isPushed });
    return isPushed ? 0 : EXIT_CODES.NOT_YET;
  });
}

async function pushNow(session: Session, rotation: PendingRotation): Promise<boolean> {
  const { state } = session.mailbox();
  const isDone = (): boolean => isRotated(state, rotation);
  if ((await session.ask((daemon) => daemon.push())) === null) {
    const outcome = await session.flush([], REMOTE_TIMEOUT_MS);
    if (outcome.status === "waiting")
      printNotice(`fleetd: ${outcome.failure.kind}: ${firstLineOf(outcome.failure.detail)}`);
    else if (outcome.status === "refused") printNotice(`fleetd: refused: ${firstLineOf(outcome.reason)}`);
    return isDone();
  }
  const deadlineMs = systemClock.monotonicMs() + REMOTE_TIMEOUT_MS;
  while (!isDone() && systemClock.monotonicMs() < deadlineMs)
    await systemClock.sleep(LOOK_EVERY_MS, commandSignal());
  return isDone();
}

function tell(
  server: string,
  done: { readonly args: RotateArguments; readonly rotation: PendingRotation; readonly isPushed: boolean },
): void {
  const { args, rotation, isPushed } = done;
  const [previous, fingerprint] = [rotation.previous, rotation.next].map(
    (key) => fingerprintOfKey(key, systemCryptography) ?? key,
  );
  if (args.json) {
    const public_key = rotation.next;
    printJson("trust.rotate", {
      server,
      previous,
      fingerprint,
      public_key,
      pushed: isPushed,
      dry_run: false,
    });
    return;
  }
  printText(`The key of ${server} is ${fingerprint} now; it was ${previous}`);
  printText(
    isPushed
      ? "Servers that know the old key follow by themselves; where a configuration lists it, list the new one"
      : "The remote has not confirmed it yet: it will be pushed like a message, and the old key is kept until then",
  );
}
