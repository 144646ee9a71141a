import { expect, test } from "bun:test";
import {
  gitEnvironment,
  withBatchMode,
  withSshCommand,
} from "../../../../src/platform/git/git-environment.ts";
import { lsRefsRequest, parsePackets } from "../../../../src/platform/git/pkt-line.ts";
import { parsePushReport } from "../../../../src/platform/git/push-report.ts";
import { parseRemoteAddress, redact } from "../../../../src/platform/git/remote-address.ts";
import { takeHeaders } from "../../../../src/platform/git/retry-after.ts";

const REF = "refs/fleet/log/a";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("gitEnvironment() keeps profile, ssh and proxies and drops what would redirect git or Bun", () => {
  const kept = {
    HOME: "/h",
    PATH: "/p",
    SSH_AUTH_SOCK: "/s",
    https_proxy: "a",
    NO_PROXY: "b",
    XDG_CONFIG_HOME: "/x",
    SystemRoot: "C:",
    GIT_SSH_VARIANT: "ssh",
  };
  const dropped = {
    GIT_DIR: "/evil",
    GIT_CONFIG_GLOBAL: "/evil",
    GIT_CONFIG_COUNT: "1",
    GIT_EXEC_PATH: "/evil",
    GIT_TRACE: "1",
    BUN_OPTIONS: "--preload=x",
    BUN_BE_BUN: "1",
    LD_PRELOAD: "x",
    LC_ALL: "de_DE",
    SSH_ASKPASS: "/gui",
    DISPLAY: ":0",
    TMPDIR: undefined,
  };
  expect(gitEnvironment({ ...kept, ...dropped })).toEqual({
    ...kept,
    GIT_SSH_COMMAND: "ssh -oBatchMode=yes",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    GIT_NO_REPLACE_OBJECTS: "1",
    LC_ALL: "C",
  });
});

test("gitEnvironment() leaves a program in GIT_SSH and a command of the user in charge", () => {
  expect(gitEnvironment({ GIT_SSH: "plink" })["GIT_SSH_COMMAND"]).toBeUndefined();
  expect(gitEnvironment({ GIT_SSH_COMMAND: "ssh -i k" })["GIT_SSH_COMMAND"]).toBe("ssh -i k -oBatchMode=yes");
});

test("withBatchMode() changes plain OpenSSH alone", () => {
  expect(withBatchMode('"C:\\Program Files\\ssh.exe" -v', undefined)).toEndWith("-v -oBatchMode=yes");
  expect(withBatchMode("/usr/bin/ssh", "auto")).toBe("/usr/bin/ssh -oBatchMode=yes");
  for (const command of ["plink -batch", "ssh; true", "sh -c ssh", "FOO=1 ssh", "", 'ssh "$@"']) {
    expect(withBatchMode(command, undefined)).toBe(command);
  }
  expect(withBatchMode("ssh", "plink")).toBe("ssh");
});

test("withSshCommand() prefers the user's setting over our default, not over the user's variable", () => {
  const ours = gitEnvironment({});
  expect(withSshCommand(ours, null)).toBe(ours);
  expect(withSshCommand(ours, "ssh -i k")["GIT_SSH_COMMAND"]).toBe("ssh -i k -oBatchMode=yes");
  const theirs = gitEnvironment({ GIT_SSH_COMMAND: "mine" });
  expect(withSshCommand(theirs, "ssh -i k")).toBe(theirs);
});

test("parsePushReport() tells a lost race from a lock by what receive-pack printed about the ref", () => {
  const updates = [{ ref: REF, id: "1" }];
  const line = `!\t1:${REF}\t[remote rejected] (failed to update ref)\n`;
  const status = (stderr: string) => parsePushReport(updates, line, stderr)?.[0]?.status;
  const lock = `remote: error: cannot lock ref '${REF}': `;
  expect(status(`${lock}Unable to create '/r/${REF}.lock': File exists.`)).toBe("busy");
  expect(status(`${lock}is at ${"1".repeat(40)} but expected ${"2".repeat(40)}`)).toBe("stale");
  expect(status(`${lock}reference already exists`)).toBe("stale");
  expect(status(`${lock}'refs/fleet/log' exists; cannot create '${REF}'`)).toBe("refused");
  expect(status("")).toBe("busy");
});

test("parsePushReport() has no report when the remote did not say what became of a ref", () => {
  const updates = [{ ref: REF, id: "1" }];
  expect(parsePushReport(updates, "", "")).toBeNull();
  expect(
    parsePushReport(updates, `!\t1:${REF}\t[remote failure] (remote failed to report status)\n`, ""),
  ).toBeNull();
  expect(parsePushReport(updates, `*\t1:${REF}x\t[new reference]\n`, "")).toBeNull();
});

test("parsePushReport() holds a full disk against nobody, and what the remote's checks refuse against the push", () => {
  const updates = [{ ref: REF, id: "1" }];
  const report = (summary: string, stderr: string) =>
    parsePushReport(updates, `!\t1:${REF}\t[remote rejected] (${summary})\n`, stderr)?.[0]?.status ?? null;
  const unpacked = "error: remote unpack failed: unpack-objects abnormal exit\n";
  expect(
    report("unpacker error", `remote: fatal: write error: No space left on device\n${unpacked}`),
  ).toBeNull();
  expect(
    report("unpacker error", `remote: error: unable to create temporary file: Read-only file system\n`),
  ).toBeNull();
  expect(report("unable to migrate objects to permanent storage", "")).toBeNull();
  expect(report("unpacker error", `remote: fatal: pack exceeds maximum allowed size\n${unpacked}`)).toBe(
    "refused",
  );
  expect(report("pre-receive hook declined", "remote: No space left on device\n")).toBe("refused");
});

test("takeHeaders() takes git's trace away and answers the last Retry-After in it", () => {
  const line = (text: string): string => `10:03:06.401123 http.c:725              ${text}\n`;
  const traced = [
    line("<= Recv header: HTTP/1.1 429 Too Many Requests"),
    line("<= Recv header: Retry-After: 7"),
    "fatal: unable to access\n",
    line("=> Send header: GET / HTTP/1.1"),
  ].join("");
  expect(takeHeaders(traced)).toEqual({ stderr: "fatal: unable to access\n", retryAfter: "7" });
  expect(takeHeaders("remote: <= Recv header: Retry-After: 7\n").retryAfter).toBeNull();
});

test("parsePackets() takes packets apart and refuses what is not whole", () => {
  expect(parsePackets(bytes("0008abc\n00010005x0000"))).toEqual([
    { kind: "line", text: "abc" },
    { kind: "delimiter" },
    { kind: "line", text: "x" },
    { kind: "flush" },
  ]);
  for (const broken of ["0008ab", "zzzz", "00", "0003", "fff1", "-001"])
    expect(parsePackets(bytes(broken))).toBeNull();
});

test("lsRefsRequest() is what git sends", () => {
  expect(lsRefsRequest(["refs/fleet/"], ["object-format=sha1"])).toBe(
    "0014command=ls-refs\n0017object-format=sha1\n0001001bref-prefix refs/fleet/\n0000",
  );
});

test("parseRemoteAddress() tells transports apart and hides credentials", () => {
  const shown = (url: string) => {
    const { displayUrl, transport } = parseRemoteAddress(url);
    return `${transport} ${displayUrl}`;
  };
  expect(shown("https://bob:pw@host.example/r.git?token=x")).toBe("http https://host.example/r.git");
  expect(shown("https://ghp_0123456789@host.example/r.git")).toBe("http https://host.example/r.git");
  expect(shown("ssh://git@host.example:22/r.git")).toBe("ssh ssh://host.example:22/r.git");
  expect(shown("git@host.example:r.git")).toBe("ssh host.example:r.git");
  expect(shown("/srv/a:b.git")).toBe("file /srv/a:b.git");
  expect(shown("file:///srv/r.git")).toBe("file file:///srv/r.git");
  expect(shown("codecommit::eu-west-1://repo")).toBe("other codecommit::eu-west-1://repo");
});

test("redact() removes user, password and token in both spellings, and keeps the word git", () => {
  const address = parseRemoteAddress("https://bob:p%40ss@h.example/r");
  expect(redact("unable to access 'https://bob:p%40ss@h.example/r': p@ss", address)).toBe(
    "unable to access 'https://***h.example/r': ***",
  );
  const token = parseRemoteAddress("https://ghp_0123456789@h.example/r");
  expect(redact("for user ghp_0123456789", token)).toBe("for user ***");
  expect(redact("git@h: denied", parseRemoteAddress("ssh://git@h/r"))).toBe("git@h: denied");
});
