/**
 * The second parent of a batch. Where strangers' commits stand on the own log, the next batch continues the own chain
 * as its first parent and names the strangers' tip as its second: on the remote that is a fast-forward, so nothing is
 * forced, and readers, who follow first parents, never meet the strangers' commits again.
 */

import { fromUtf8 } from "../../base/bytes.ts";
import type { Database } from "../../base/ports/database.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import { readSetting, writeSetting } from "./identity.ts";
import { confirmedBatch } from "./take-back.ts";

/** `base`: the confirmed commit that the next batch continues, null when none was confirmed. */
export interface Graft {
  readonly base: string | null;
  readonly tip: string;
  /** When the stranger's tip says that it was made, ms. */
  readonly committedMs: number;
}

const SETTING = "graft";

/** What the next batch has to stand beside, or null. One whose base is not the end of the log any more is over. */
export function graftOf(state: Database): Graft | null {
  const json = readSetting(state, SETTING);
  const graft = json === null ? null : (JSON.parse(json) as Graft);
  return graft !== null && graft.base === (confirmedBatch(state)?.tip ?? null) ? graft : null;
}

/** Remembers what the next batch has to stand beside. Inside the caller's transaction. */
export const saveGraft = (state: Database, graft: Graft): void =>
  writeSetting(state, SETTING, JSON.stringify(graft));

/** Forgets it: the strangers' commits are not there any more. Inside the caller's transaction. */
export const dropGraft = (state: Database): void => {
  state.run("DELETE FROM settings WHERE key = ?", SETTING);
};

/**
 * What a batch on `tip` has to stand beside, or null. Where nothing was confirmed yet the first batch is a root, which
 * cannot have a second parent only, so the one after it has.
 */
export function graftFor(state: Database, tip: string | null): Graft | null {
  const graft = graftOf(state);
  if (graft === null || tip === null) return null;
  if (graft.base !== null) return graft.base === tip ? graft : null;
  const row = state.get<{ parent: number | null }>("SELECT parent FROM batches WHERE commit_id = ?", tip);
  return row !== null && row.parent === null ? graft : null;
}

/** Whether the next batch has to hold nothing but one entry: it is the root that another one has to follow. */
export const isRootOfGraft = (state: Database, tip: string | null): boolean =>
  tip === null && graftOf(state)?.base === null;

/** A commit of a stranger is believed to be made so far ahead of the own clock at most. Chosen: clocks are off by hours. */
const AHEAD_MS_MAX = 24 * 3_600_000;

/** Headers of a commit are read up to this size; what is longer is no commit of a fleet. */
const COMMIT_BYTES_MAX = 1024 * 1024;

/** When a commit says that it was made, at most a day from now; 0 where it says nothing that can be read. */
export async function committedMsOf(store: GitStore, commit: string, nowWallMs: number): Promise<number> {
  const [object] = await store.readObjects([commit], COMMIT_BYTES_MAX);
  const text = object?.status === "found" ? fromUtf8(object.content) : null;
  const seconds = /^committer [^\n]*> (\d{1,12}) [+-]\d{4}$/m.exec(text?.split("\n\n", 1)[0] ?? "")?.[1];
  const ms = seconds === undefined ? 0 : Number(seconds) * 1000;
  return ms > nowWallMs + AHEAD_MS_MAX ? 0 : ms;
}
