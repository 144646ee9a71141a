import { EXIT_CODES, FleetError, firstLineOf } from "../../base/errors.ts";
import { changeOwnKey } from "../../daemon/own-keys.ts";
import { askOwnRefs } from "../../fleet/messaging/ask-own-refs.ts";
import { toRemoteError } from "../../fleet/messaging/join-fleet.ts";
import { HOLDS, holdOf } from "../../fleet/messaging/own-alarms.ts";
import { hintOfHold } from "../../fleet/messaging/recover-log.ts";
import { isRotated, type PendingRotation, rotationRefusal } from "../../fleet/messaging/rotate-key.ts";
import { fingerprintOfKey } from "../../fleet/messaging/trust.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { commandSignal } from "../command-signal.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";
import { codeOfWaiting, reasonOf } from "../tell-failure.ts";
import type { TrustListArguments } from "./trust-list.ts";

/** The arguments of `trust rotate`, as typed. */
export interface RotateArguments extends Omit<TrustListArguments, "offline"> {
  readonly yes: boolean;
  readonly dryRun: boolean;
}

/** How often the state is asked whether the monitor has pushed. */
const LOOK_EVERY_MS = 20;

/**
 * Gives this server a new key, unless it could not bring it to the remote. Exit code 75 while the remote has not confirmed
 * it, 77 where that is so because it does not let this server push: it is done here all the same.
 */
export async function rotate(args: RotateArguments): Promise<number> {
  return await withSession(args, async (session) => {
    const { identity } = session.mailbox();
    const { server, publicKey } = identity;
    const old = printOf(publicKey);
    if (!args.yes && !args.dryRun) {
      throw new FleetError("USAGE", `Cannot change the key of "${server}" without --yes: it is ${old}`, {
        hint: "See what it would be with --dry-run",
      });
    }
    const isReached = await requireChangeable(session);
    if (args.dryRun) return tellPlan({ server, previous: old, isReached }, args);
    const rotation = await changeOwnKey(session.mailbox(), { signal: commandSignal() });
    const pushed = await pushNow(session, rotation).catch((thrown: unknown) => {
      tell(server, { args, rotation, pushed: { isDone: isRotated(session.mailbox().state, rotation) } });
      throw thrown;
    });
    tell(server, { args, rotation, pushed });
    return pushed.isDone ? 0 : (pushed.code ?? EXIT_CODES.NOT_YET);
  });
}

const printOf = (publicKey: string): string => fingerprintOfKey(publicKey, systemCryptography) ?? publicKey;

/**
 * Whether the remote answers; where it is away the change waits here.
 * @throws FleetError where this server may not push, or has a change under way: then nothing is changed
 */
async function requireChangeable(session: Session): Promise<boolean> {
  const ports = await session.mailbox().sendPorts();
  const { server } = ports.identity;
  const asked = await askOwnRefs(ports, { timeoutMs: REMOTE_TIMEOUT_MS, signal: commandSignal() });
  commandSignal().throwIfAborted();
  if (asked.ok && asked.value !== null) {
    const { kind, detail } = asked.value;
    throw new FleetError(HOLDS[kind], `Cannot change the key of "${server}": ${detail}`, {
      hint: hintOfHold(kind),
    });
  }
  const refusal = rotationRefusal(ports);
  if (refusal !== null) throw refusal;
  if (asked.ok) return true;
  if (asked.error.kind === "unauthorised") throw toRemoteError("read", ports.remote, asked.error);
  printNotice(`fleetd: ${asked.error.kind}: ${firstLineOf(asked.error.detail)}`);
  return false;
}

function tellPlan(
  plan: { readonly server: string; readonly previous: string; readonly isReached: boolean },
  { json }: RotateArguments,
): number {
  const { server, previous, isReached } = plan;
  if (json) printJson("trust.rotate", { server, previous, changed: false, dry_run: true });
  else {
    const later = isReached ? "" : "; the remote cannot confirm it now, so it would wait here";
    printText(`Would change the key of ${server}, which is ${previous}${later}`);
  }
  return isReached ? 0 : EXIT_CODES.NOT_YET;
}

/** What a push came to. `reason`: why the remote has not confirmed it, hostile text; `code`: the exit code for that. */
interface Pushed {
  readonly isDone: boolean;
  readonly reason?: string;
  readonly code?: number;
}

async function pushNow(session: Session, rotation: PendingRotation): Promise<Pushed> {
  const { state } = session.mailbox();
  const isDone = (): boolean => isRotated(state, rotation);
  if ((await session.ask((daemon) => daemon.push())) === null) {
    const outcome = await session.flush([], REMOTE_TIMEOUT_MS);
    if (isDone() || outcome.status === "pushed") return { isDone: isDone() };
    const isDenied = outcome.status === "waiting" && outcome.failure.kind === "unauthorised";
    const reason = reasonOf(state, outcome) ?? "";
    return { isDone: false, reason, code: codeOfWaiting(state, isDenied) };
  }
  const deadlineMs = systemClock.monotonicMs() + REMOTE_TIMEOUT_MS;
  while (!isDone() && holdOf(state) === null && systemClock.monotonicMs() < deadlineMs)
    await systemClock.sleep(LOOK_EVERY_MS, commandSignal());
  const hold = holdOf(state);
  if (isDone() || hold === null) return { isDone: isDone() };
  return { isDone: false, reason: `held: ${firstLineOf(hold.detail)}`, code: EXIT_CODES[HOLDS[hold.kind]] };
}

function tell(
  server: string,
  done: { readonly args: RotateArguments; readonly rotation: PendingRotation; readonly pushed: Pushed },
): void {
  const { args, rotation, pushed } = done;
  const { isDone, reason = "" } = pushed;
  const [previous, fingerprint] = [printOf(rotation.previous), printOf(rotation.next)];
  if (reason !== "") printNotice(`fleetd: ${reason}`);
  if (args.json) {
    const key = { previous, fingerprint, public_key: rotation.next };
    printJson("trust.rotate", { server, ...key, changed: true, pushed: isDone, reason, dry_run: false });
    return;
  }
  printText(`The key of ${server} is ${fingerprint} now; it was ${previous}`);
  printText(
    isDone
      ? "Servers that know the old key follow by themselves; where a configuration lists it, list the new one"
      : "It is changed here, and the remote has not confirmed it yet: it will be pushed like a message, and the old key is kept until then",
  );
}
