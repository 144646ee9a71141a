import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { ok, type Result } from "../../base/result.ts";
import { parseCard } from "./card.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { loadCardState, saveCardState } from "./publish-card.ts";
import { readCard } from "./receive-cards.ts";
import { fromOpenSsh, verifySsh } from "./ssh-signature.ts";

/**
 * Makes the card that stands on the own state ref the one to replace next, if this server signed it: a push that was
 * cut off may have arrived. False when the card is somebody else's. Numbers continue above the adopted card's.
 */
export async function adoptOwnCard(
  ports: SendPorts,
  found: { readonly commit: string | null; readonly ref: string },
  options: RemoteOptions,
): Promise<Result<boolean, RemoteFailure>> {
  const last = loadCardState(ports);
  if (found.commit === null || found.commit === last.commitId) {
    ports.state.relaxedTransaction(() => saveCardState(ports, { ...last, commitId: found.commit }));
    return ok(true);
  }
  const fetched = await ports.remote.fetch([`+${found.ref}:refs/own/card`], options);
  if (!fetched.ok) return fetched;
  const { json, signature } = await readCard(ports.store, found.commit);
  const publicKey = fromOpenSsh(ports.identity.publicKey);
  if (json === null || signature === null || publicKey === null) return ok(false);
  const expected = { namespace: "fleetd-card", publicKey, cryptography: ports.cryptography } as const;
  const card = parseCard(json, ports.identity.server);
  if (!card.ok || !(await verifySsh(json, signature, expected))) return ok(false);
  const adopted = { ...last, n: Math.max(last.n, card.value.n), commitId: found.commit };
  ports.state.relaxedTransaction(() => saveCardState(ports, adopted));
  return ok(true);
}
