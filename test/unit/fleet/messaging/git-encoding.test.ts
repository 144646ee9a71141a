import { describe, expect, test } from "bun:test";
import { fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import type { ObjectFormat } from "../../../../src/base/ports/git-store.ts";
import {
  type CommitFacts,
  encodeCommit,
  encodeTree,
  toGitObject,
} from "../../../../src/fleet/messaging/git-encoding.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";

const TEXT = toUtf8("Grüße, 世界\n");

/** What `git hash-object`, `git mktree` and `git commit-tree` of git 2.39 answered for the same content. */
const GIT_IDS = {
  sha1: {
    empty: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    text: "bc493773322be0993db0928b7bcfb7bb220c5442",
    signature: "c0bdf40266dcfe309772d46877b85a1ec15439d6",
    zeros: "9fea790a02baeb2724691491835d06627644ac43",
    tree: "47119f91f1da400210b916fc0883c383100e8693",
    emptyTree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    sortedTree: "0d25e7f65dc3d46b6a792cfdc66cf207bb28db80",
    rootCommit: "d02dbd5eb7c6ac9d4cf751115479e6bd06378b66",
    nextCommit: "15f4fa6689aea8a55b10163f42ff1161e0e0af77",
  },
  sha256: {
    empty: "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    text: "97fef2e838ad2bbd3404fedc366d36ebe6a5828a11bb7ed4aafed4e9abecac78",
    signature: "b297a50930ea1bc815aa1651451ab067327a2a55a8861db9d35459d30fd43810",
    zeros: "0442c2ff6e29a3d53e592fd855a321ff62133ac7da3ea18f2560f4ceae69f98a",
    tree: "fb34365eb2038205257230649cb791e5ff02c4e2eab6a5e3a66dd6f010baa0e5",
    emptyTree: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    sortedTree: "eeff46ee7897748da574a11583c9adf242f0840d43b798eb8304606494fbd0d5",
    rootCommit: "28d98fce563de557fe39e3f1660187b59519a3f45dec174e01252c02aea057ad",
    nextCommit: "8a1cffff623b461727d2f8da091245e4ba4b78479aa09fa2e36950e2f5f93f41",
  },
} as const;

const facts: CommitFacts = {
  tree: GIT_IDS.sha1.tree,
  parent: null,
  server: "code1",
  committedMs: 1_785_000_000_000,
  message: "code1 → all: Grüße",
};

const textOf = (changes: Partial<CommitFacts>): string =>
  fromUtf8(encodeCommit({ ...facts, ...changes })) ?? "";

describe.each(["sha1", "sha256"] as const)("git-encoding as git does it, %s", (format: ObjectFormat) => {
  const ids = GIT_IDS[format];
  const tools = { format, cryptography: systemCryptography };

  test(`toGitObject() gives blobs the id of git, ${format}`, () => {
    expect(toGitObject("blob", new Uint8Array(0), tools).id).toBe(ids.empty);
    expect(toGitObject("blob", TEXT, tools).id).toBe(ids.text);
    expect(toGitObject("blob", new Uint8Array(70_000), tools).id).toBe(ids.zeros);
  });

  test(`encodeTree() gives a batch's tree the id of git, ${format}`, () => {
    const content = encodeTree({ "entries.sig": ids.signature, "entries.jsonl": ids.text });
    expect(toGitObject("tree", content, tools).id).toBe(ids.tree);
  });

  test(`encodeTree() of no files is git's empty tree, ${format}`, () => {
    expect(toGitObject("tree", encodeTree({}), tools).id).toBe(ids.emptyTree);
  });

  test(`encodeTree() sorts as git sorts, ${format}`, () => {
    const content = encodeTree({ "a.b": ids.text, a: ids.signature, Z: ids.text, "a-b": ids.signature });
    expect(toGitObject("tree", content, tools).id).toBe(ids.sortedTree);
  });

  test(`encodeCommit() gives a root commit the id of git, ${format}`, () => {
    const content = encodeCommit({ ...facts, tree: ids.tree });
    expect(toGitObject("commit", content, tools).id).toBe(ids.rootCommit);
  });

  test(`encodeCommit() gives a commit with a parent and several lines the id of git, ${format}`, () => {
    const message = "code1: 2 entries\n\ncode1 → all: a\ncode1 → all: b";
    const content = encodeCommit({ ...facts, tree: ids.tree, parent: ids.rootCommit, message });
    expect(toGitObject("commit", content, tools).id).toBe(ids.nextCommit);
  });
});

describe("toGitObject()", () => {
  test("toGitObject() keeps kind and content as they are", () => {
    const object = toGitObject("blob", TEXT, { format: "sha1", cryptography: systemCryptography });
    expect([object.kind, object.content]).toEqual(["blob", TEXT]);
  });
});

describe("encodeCommit()", () => {
  test("encodeCommit() cuts the instant to whole seconds and writes UTC", () => {
    expect(textOf({ committedMs: 1_785_000_000_999 })).toContain(
      "committer code1 <code1@fleet.invalid> 1785000000 +0000\n",
    );
  });

  test("encodeCommit() names author and committer alike", () => {
    const [, author, committer] = textOf({}).split("\n");
    expect(author?.replace("author ", "")).toBe(committer?.replace("committer ", "") ?? "");
  });

  test("encodeCommit() puts a space for every control character of the message but LF", () => {
    expect(textOf({ message: "a\u0000b\u001B[2Jc\rd\te\u009Bf\u007Fg\nh" })).toEndWith(
      "\n\na b [2Jc d e f g\nh\n",
    );
  });

  test("encodeCommit() stays valid UTF-8 when the message holds half a character", () => {
    expect(textOf({ message: "half \uD83D" })).toEndWith("\n\nhalf \uFFFD\n");
  });
});
