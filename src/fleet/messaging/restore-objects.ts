import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { countUnstored, forgetBytes, loadHead, unstoredBatches } from "./outbox.ts";

/**
 * Puts back what a power cut may have taken from the object store: the objects of batches that were never made safe
 * are compared with their stored bytes, written again where they are not whole, and brought to the disk. Only then the
 * bytes of confirmed batches go.
 */
export function restoreObjects(ports: SendPorts): void {
  const unstored = unstoredBatches(ports.state);
  const last = unstored.at(-1);
  if (last !== undefined) {
    ports.store.writeObjects(
      unstored.flatMap((batch) => batch.objects),
      true,
    );
    ports.state.transaction(() => forgetBytes(ports.state, last.number));
  }
  const tip = loadHead(ports.state)?.tip ?? null;
  if (tip !== null) ports.store.writeRef(TRACKING.own, tip);
}

/** Batches whose bytes are kept in the database until their objects are made safe together. Chosen: some 100 ms of fsync. */
const UNSTORED_MAX = 64;

/** Makes objects safe when enough batches wait for it; called after a push, where nobody waits for an answer. */
export function storeWhenDue(ports: SendPorts): void {
  if (countUnstored(ports.state) >= UNSTORED_MAX) restoreObjects(ports);
}
