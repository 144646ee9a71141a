import { pendingRotation } from "../../fleet/messaging/rotate-key.ts";
import { listTrusted } from "../../fleet/messaging/trust-view.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { nextKeyTask, settleKeysWhenDue } from "../own-keys.ts";
import { type Diagnosis, healthy, mendable, trouble } from "./diagnosis.ts";

/** Whose keys wait for the operator or were revoked, and a change of the own key that is not finished. */
export async function checkTrust(mailbox: Mailbox): Promise<Diagnosis[]> {
  return [...checkOthers(mailbox), ...(await checkRotation(mailbox))];
}

function checkOthers({ state, identity }: Mailbox): Diagnosis[] {
  // Not what receives: that would open the index, and a damaged one has to stay as it is until it is made anew.
  const others = listTrusted({ state, identity, cryptography: systemCryptography }).slice(1);
  const waiting = others.filter(({ how }) => how === "waiting");
  const revoked = others.filter(({ how }) => how === "revoked").map(({ server }) => server);
  const found = waiting.map(({ server, fingerprint, advice }) =>
    trouble("trust", "warn", {
      evidence: `${server} waits to be trusted: its key is ${fingerprint ?? "unknown"}`,
      fix: advice ?? "fleetd trust list",
    }),
  );
  if (revoked.length > 0) found.push(healthy("trust", `revoked: ${revoked.join(", ")}`));
  return found.length === 0 ? [healthy("trust", "no server waits to be trusted, none is revoked")] : found;
}

async function checkRotation(mailbox: Mailbox): Promise<Diagnosis[]> {
  const { paths, state } = mailbox;
  if ((await nextKeyTask(paths, state)) !== "nothing") {
    const evidence = "a change of the own key was cut off";
    const mend = { what: "finish it", isSafe: true, run: () => settleKeysWhenDue(mailbox) };
    return [mendable("key-change", "warn", { evidence, mend })];
  }
  if (pendingRotation(state) === null) return [];
  const evidence = "the remote has not confirmed the change of the own key yet";
  return [trouble("key-change", "warn", { evidence, fix: "fleetd queue list says what is in the way" })];
}
