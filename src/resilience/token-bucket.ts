/** A bucket that refills with time. `updatedMs` is the clock of its owner; it may jump in either direction. */
export interface Bucket {
  readonly tokens: number;
  readonly updatedMs: number;
}

/** At most `capacity` at once, and `capacity` more per `periodMs`. */
export interface BucketLimits {
  readonly capacity: number;
  readonly periodMs: number;
}

/** What is in the bucket at `nowMs`. A clock that was set back refills nothing and starts to count anew. */
export function refill(bucket: Bucket, limits: BucketLimits, nowMs: number): Bucket {
  const elapsedMs = Math.max(0, nowMs - bucket.updatedMs);
  const gained = (elapsedMs * limits.capacity) / limits.periodMs;
  return { tokens: Math.min(limits.capacity, bucket.tokens + gained), updatedMs: nowMs };
}

/** Takes one token out of a refilled bucket, or null when there is none. */
export function takeToken(bucket: Bucket): Bucket | null {
  return bucket.tokens < 1 ? null : { ...bucket, tokens: bucket.tokens - 1 };
}

/** How long until a refilled bucket has a token, ms; 0 when it has one. */
export const untilToken = (bucket: Bucket, limits: BucketLimits): number =>
  bucket.tokens >= 1 ? 0 : ((1 - bucket.tokens) * limits.periodMs) / limits.capacity;
