import { concatBytes, fromHex, toUtf8 } from "../../base/bytes.ts";
import type { Cryptography } from "../../base/ports/cryptography.ts";
import type { GitObject, ObjectFormat, ObjectKind } from "../../base/ports/git-store.ts";

/** A git object with its id, hashed as git hashes it: over `<kind> <size>\0<content>`. */
export function toGitObject(
  kind: ObjectKind,
  content: Uint8Array,
  tools: { readonly format: ObjectFormat; readonly cryptography: Cryptography },
): GitObject {
  const hashed = concatBytes([toUtf8(`${kind} ${content.length}\0`), content]);
  return { kind, content, id: tools.cryptography.hash(tools.format, hashed).toHex() };
}

/** The content of a tree of plain files; names are sorted as git sorts them (bytewise, ASCII names only). */
export function encodeTree(files: Readonly<Record<string, string>>): Uint8Array {
  const names = Object.keys(files).sort();
  return concatBytes(names.flatMap((name) => [toUtf8(`100644 ${name}\0`), fromHex(files[name] ?? "")]));
}

/** What a commit says. `committedMs`: wall clock, cut to seconds; a committer date must not precede the parent's. */
export interface CommitFacts {
  readonly tree: string;
  readonly parent: string | null;
  /** A second parent: it makes the commit a fast-forward of a stranger's, and means nothing to readers. */
  readonly beside?: string | null;
  /** The server id; the mail address is `<server>@fleet.invalid`, a name that can never be one (RFC 2606). */
  readonly server: string;
  readonly committedMs: number;
  readonly message: string;
}

/** The content of a commit object. The message's control characters but LF become spaces, so any git client may show it. */
export function encodeCommit(facts: CommitFacts): Uint8Array {
  const who = `${facts.server} <${facts.server}@fleet.invalid> ${Math.floor(facts.committedMs / 1000)} +0000`;
  const lines = [
    `tree ${facts.tree}`,
    ...[facts.parent, facts.beside ?? null].flatMap((parent) =>
      parent === null ? [] : [`parent ${parent}`],
    ),
    `author ${who}`,
    `committer ${who}`,
    "",
    facts.message.replace(/[\p{Cc}--\n]/gv, " "),
  ];
  return toUtf8(`${lines.join("\n")}\n`);
}
