import type { RefReport, RefUpdate } from "../../base/ports/git-remote.ts";

/** One status line of `git push --porcelain`: flag, what was pushed where, and git's summary. */
const STATUS_LINE = /^([ +\-*=!])\t[^\t]*:(refs\/[^\t]+)\t(.*)$/;

const STALE =
  /^\[rejected\] |\((?:stale info|fetch first|non-fast-forward|needs force|already exists)\)|incorrect old value|reference already exists|is at [0-9a-f]+ but expected/;
const BUSY =
  /failed to update ref|cannot lock ref|failed to lock|unable to create '[^']*\.lock'|atomic (?:push|transaction)|transaction failed/i;

/**
 * The reports of a push from git's porcelain output, in the order of `updates`; null when git did not report every
 * ref, says that the remote did not report, or that it was not able to store anything: a matter of trying again.
 */
export function parsePushReport(
  updates: readonly RefUpdate[],
  stdout: string,
  stderr: string,
): RefReport[] | null {
  const lines = new Map<string, RegExpExecArray>();
  for (const line of stdout.split("\n")) {
    const match = STATUS_LINE.exec(line);
    if (match?.[2] !== undefined) lines.set(match[2], match);
  }
  const reports: RefReport[] = [];
  for (const update of updates) {
    const [, flag = "", , summary = ""] = lines.get(update.ref) ?? [];
    if (flag === "" || summary.startsWith("[remote failure]")) return null;
    if (flag === "!" && isRemoteIll(summary, stderr)) return null;
    reports.push(toReport(update, flag, summary, stderr));
  }
  return reports;
}

/** What a machine says whose disk is full, broken or not its own, or that runs out of something else. */
const ILLNESS =
  /no space left on device|disk quota exceeded|read-only file system|input\/output error|cannot allocate memory|out of memory|too many open files|unable to (?:write|create|migrate)|insufficient permission|died of signal|unresolved deltas?|did not receive expected object|bad object/i;

/**
 * Whether the remote could not take the objects, whoever sends them: it judged nothing, so nothing may be held against
 * an entry. A pack that is too large, or that its checks refuse, is another matter and ends in the same words.
 */
function isRemoteIll(summary: string, stderr: string): boolean {
  if (/\((?:unable to migrate objects to permanent storage|missing necessary objects)\)/.test(summary))
    return true;
  if (!/\((?:unpacker error|n\/a \(unpacker error\))\)|abnormal exit/.test(summary)) return false;
  const said = stderr.split("\n").filter((line) => line.startsWith("remote: ") || line.startsWith("error: "));
  return said.some((line) => ILLNESS.test(line));
}

function toReport(update: RefUpdate, flag: string, summary: string, stderr: string): RefReport {
  const { ref } = update;
  if (flag === "=") return { ref, status: "up-to-date", reason: "" };
  if (flag !== "!") return { ref, status: "pushed", reason: "" };
  const status = rejection(update, summary, complaintAbout(ref, stderr));
  const words = status === "refused" ? wordsOf(stderr) : "";
  const reason = words === "" ? summary : `${summary}: ${words}`;
  return { ref, status, reason: reason.slice(0, 500) };
}

/** How many lines of a hook are kept. Chosen: the first ones say why, the rest is advice. */
const HOOK_LINES_MAX = 3;

/** What the remote's hooks printed: why they refused stands nowhere else. */
function wordsOf(stderr: string): string {
  const lines = stderr.split("\n").flatMap((line) => /^remote: (.*\S)\s*$/s.exec(line)?.[1] ?? []);
  return lines.slice(0, HOOK_LINES_MAX).join("; ");
}

function rejection(update: RefUpdate, summary: string, complaint: string): RefReport["status"] {
  // Innocent, but the others of an atomic push failed: nothing is known against it, so it may be tried again.
  if (/\(atomic push fail(?:ed|ure)\)/.test(summary)) return "busy";
  // The remote answers so to a replacement that its lease allowed: a matter of policy, not of having been overtaken.
  if (summary === "[remote rejected] (non-fast-forward)" && update.expected !== undefined) return "refused";
  if (STALE.test(summary)) return "stale";
  if (!BUSY.test(summary)) return "refused";
  if (STALE.test(complaint)) return "stale";
  // A name that is a folder of other refs stays so, however often it is tried.
  return complaint.includes("; cannot create '") ? "refused" : "busy";
}

/** "failed to update ref" alone says nothing: the reason stands in what receive-pack printed about the ref. */
function complaintAbout(ref: string, stderr: string): string {
  const lines = stderr
    .split("\n")
    .filter((line) => line.startsWith("remote: error:") && line.includes(`'${ref}'`));
  return lines.join("\n");
}
