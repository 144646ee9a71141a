import { formatDuration } from "../../base/duration.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAYS_BY_NAME_MAX = 6;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/**
 * An instant as people say it, in the local time zone: `"12 s ago"`, `"3 min ago"`, `"today 09:12"`, `"yesterday 14:02"`,
 * `"Mon 14:02"`, `"5 Mar 14:02"`, `"2024-03-05"`; what is still to come is `"in 3 min"` or a date. Both are wall clocks.
 */
export function formatRelativeTime(atWallMs: number, nowWallMs: number): string {
  const agoMs = nowWallMs - atWallMs;
  const distanceMs = Math.abs(agoMs);
  if (distanceMs < SECOND_MS) return "now";
  if (distanceMs < HOUR_MS) {
    const unitMs = distanceMs < MINUTE_MS ? SECOND_MS : MINUTE_MS;
    const distance = formatDuration(distanceMs - (distanceMs % unitMs));
    return agoMs > 0 ? `${distance} ago` : `in ${distance}`;
  }
  return formatDay(new Date(atWallMs), new Date(nowWallMs));
}

function formatDay(at: Date, now: Date): string {
  const clock = `${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
  const days = dayNumber(now) - dayNumber(at);
  if (days === 0) return `today ${clock}`;
  if (days === 1) return `yesterday ${clock}`;
  if (days === -1) return `tomorrow ${clock}`;
  if (days > 1 && days <= DAYS_BY_NAME_MAX) return `${WEEKDAYS[at.getDay()]} ${clock}`;
  if (at.getFullYear() === now.getFullYear()) return `${at.getDate()} ${MONTHS[at.getMonth()]} ${clock}`;
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
}

// Counted in UTC from the local date, so that a day of 23 or 25 hours is still one day.
const dayNumber = (date: Date): number =>
  Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / (24 * HOUR_MS);

const twoDigits = (number: number): string => String(number).padStart(2, "0");
