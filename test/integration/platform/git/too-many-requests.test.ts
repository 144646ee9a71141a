import { expect, test } from "bun:test";
import { openGitRemote } from "../../../../src/platform/git/git-remote.ts";
import { parseRetryAfter } from "../../../../src/platform/git/retry-after.ts";
import { TempGit } from "../../../helpers/temp-git.ts";

test.each([
  [null, 0],
  ["120", 120_000],
  ["Thu, 01 Jan 1970 00:01:30 GMT", 90_000],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["soon", 0],
  ["999999999", 86_400_000],
])("parseRetryAfter() of %p is %p ms", (header, expected) => {
  expect(parseRetryAfter(header, 0)).toBe(expected);
});

test.each([
  [429, "3600", 3_600_000],
  [429, "1", 1_000],
  [429, null, 0],
  [503, "90", 90_000],
])(
  "a host that answers %p with Retry-After %p is left alone for so long, whoever asked: fleetd or git",
  async (status, header, expected) => {
    const temp = new TempGit();
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      development: false,
      fetch: () =>
        new Response("slow down", { status, headers: header === null ? {} : { "retry-after": header } }),
    });
    const url = `http://127.0.0.1:${server.port}/fleet.git`;
    const remote = openGitRemote({ url, storeFolder: temp.bare(), environment: temp.environment });
    const options = { timeoutMs: 60_000, signal: new AbortController().signal };
    expect(await remote.listRefs(["refs/fleet/"], options)).toMatchObject({
      ok: false,
      error: { retryAfterMs: expected },
    });
    expect(await remote.fetch(["+refs/fleet/log/*:refs/fleet/log/*"], options)).toMatchObject({
      ok: false,
      error: { retryAfterMs: expected, detail: expect.not.stringMatching(/Recv header|http\.c/) },
    });
    await server.stop(true);
    temp.remove();
  },
);
