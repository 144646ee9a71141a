/** The instant `wallMs` (ms since the Unix epoch) as the format writes it: RFC 3339, milliseconds, `Z`. */
export function toInstant(wallMs: number): string {
  // biome-ignore lint/style/noRestrictedGlobals: converts a given instant, reads no clock
  return new Date(wallMs).toISOString();
}

/** Milliseconds since the Unix epoch of an instant that `toInstant` wrote; NaN for anything else. */
export function fromInstant(text: string): number {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return Number.NaN;
  // biome-ignore lint/style/noRestrictedGlobals: converts a given text, reads no clock
  return Date.parse(text);
}
