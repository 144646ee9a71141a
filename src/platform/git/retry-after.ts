/** A host may ask for a day at most: a mistake of its own must not silence us for a year. Chosen, not measured. */
const RETRY_AFTER_MS_MAX = 24 * 3_600_000;

/** The header `Retry-After`, seconds or a date, as ms from now; 0 when there is none or nobody can read it. */
export function parseRetryAfter(header: string | null, nowWallMs: number): number {
  if (header === null) return 0;
  const text = header.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowWallMs;
  return Number.isNaN(waitMs) ? 0 : Math.min(RETRY_AFTER_MS_MAX, Math.max(0, waitMs));
}

/**
 * Lets git write down the headers of an HTTP exchange, since it does not say otherwise what a host that answered 429
 * asked for. What is secret in them git leaves out.
 */
export const HEADER_TRACE: Readonly<Record<string, string>> = {
  GIT_TRACE_CURL: "1",
  GIT_TRACE_CURL_NO_DATA: "1",
};

const TRACE_LINE = /^\d\d:\d\d:\d\d\.\d+ [\w.-]+:\d+ +(?:== Info|=> Send|<= Recv)[^\n]*(?:\n|$)/gm;

/** Takes the traced headers out of what git wrote to stderr, and answers the last `Retry-After` among them. */
export function takeHeaders(stderr: string): { readonly stderr: string; readonly retryAfter: string | null } {
  const traced = stderr.match(TRACE_LINE) ?? [];
  const values = traced.flatMap((line) => /<= Recv header: retry-after: *(.*?)\s*$/i.exec(line)?.[1] ?? []);
  return { stderr: stderr.replaceAll(TRACE_LINE, ""), retryAfter: values.at(-1) ?? null };
}
