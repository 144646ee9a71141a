/** The instant `wallMs` (ms since the Unix epoch) as the format writes it: RFC 3339, milliseconds, `Z`. */
export function toInstant(wallMs: number): string {
  // biome-ignore lint/style/noRestrictedGlobals: converts a given instant, reads no clock
  return new Date(wallMs).toISOString();
}

/** The last instant with a year of four digits: the format can write no later one. */
export const INSTANT_MS_MAX = 253_402_300_799_999;

/** Milliseconds since the Unix epoch of an instant that `toInstant` wrote; NaN for anything else. */
export function fromInstant(text: string): number {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return Number.NaN;
  // biome-ignore lint/style/noRestrictedGlobals: converts a given text, reads no clock
  const date = new Date(text);
  // The engine takes 30 February for 2 March and 24:00 for the next day; the format knows neither.
  const isReal =
    date.getUTCDate() === Number(text.slice(8, 10)) && date.getUTCHours() === Number(text.slice(11, 13));
  return isReal ? date.getTime() : Number.NaN;
}

/** Whether `text` is an instant of the format that exists: a date and a time of day that a clock can show. */
export const isInstant = (text: string): boolean => !Number.isNaN(fromInstant(text));
