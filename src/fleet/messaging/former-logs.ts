/**
 * Logs as they were before their owner shortened them. What a reader once had stays readable there, and an index that is
 * made anew reads them first, in order, so that it holds what the old one held.
 */
import type { GitStore } from "../../base/ports/git-store.ts";
import { TRACKING } from "./mailbox-ports.ts";

/** The ends of a server's former logs, oldest first. */
export const listFormer = (store: Pick<GitStore, "readRefs">, server: string): string[] =>
  refsOf(store, server).map(([, tip]) => tip);

/** Keeps a log that ends with `tip` for good; once, however often it is asked. */
export function keepFormer(
  store: Pick<GitStore, "readRefs" | "writeRef">,
  server: string,
  tip: string,
): void {
  const refs = refsOf(store, server);
  if (refs.some(([, kept]) => kept === tip)) return;
  const last = refs.at(-1)?.[0].split("/").at(-1) ?? "0";
  store.writeRef(`${folderOf(server)}${String(Number(last) + 1).padStart(8, "0")}`, tip);
}

const folderOf = (server: string): string => `${TRACKING.former}${server}/`;

const refsOf = (store: Pick<GitStore, "readRefs">, server: string): [string, string][] =>
  [...store.readRefs(folderOf(server))].sort(([one], [other]) => (one < other ? -1 : 1));
