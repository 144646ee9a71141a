import { withoutCredentials } from "./log-line.ts";

/** What stands in place of something secret. */
export const REDACTED = "***";

/** Names of settings and variables whose value is nobody else's business. */
const SECRET_NAME = /pass(?:word|phrase)?|secret|token|credential|authori[sz]ation|private|api_?key|^key$/i;

/** Texts shorter than this would blot out half a report, and are no secrets worth the name. */
const SECRET_LENGTH_MIN = 4;

/** A value without its secrets, and how many were taken out. */
export interface Redacted {
  readonly value: unknown;
  readonly count: number;
}

/** Whether what bears this name is to be kept from others. */
export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

/**
 * A JSON value as others may see it: without the known `secrets` wherever they stand, the credentials of URLs, and
 * whatever bears the name of a secret. References such as `env:NAME` stay: they say where a secret is, not what.
 */
export function redact(value: unknown, secrets: readonly string[]): Redacted {
  const known = secrets
    .filter((secret) => secret.length >= SECRET_LENGTH_MIN)
    .toSorted((one, other) => other.length - one.length);
  let count = 0;
  const clean = (text: string): string => {
    const cleaned = withoutCredentials(
      known.reduce((shown, secret) => shown.replaceAll(secret, REDACTED), text),
    );
    if (cleaned !== text) count += 1;
    return cleaned;
  };
  const walk = (part: unknown, name: string): unknown => {
    if (typeof part === "string" && isSecretName(name) && !/^(?:env|file):/.test(part)) {
      count += 1;
      return REDACTED;
    }
    if (typeof part === "string") return clean(part);
    if (Array.isArray(part)) return part.map((item) => walk(item, name));
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [clean(key), walk(inner, key)]));
  };
  const redacted = walk(value, "");
  return { value: redacted, count };
}
