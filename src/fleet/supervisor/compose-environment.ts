import { keptVariables } from "../../base/kept-variables.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { isReservedVariable } from "../../base/variable-name.ts";

/** Whom a service runs as, as the system knows them. */
export interface Account {
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/** What the environment of a service is made of; later ones go before earlier ones. */
export interface EnvironmentParts {
  /** The daemon's own, of which little is kept. */
  readonly own: Readonly<Record<string, string | undefined>>;
  /** The user of the service; null: the daemon's own. */
  readonly account: Account | null;
  /** Its files of variables, in their order. */
  readonly files: readonly Readonly<Record<string, string>>[];
  /** Its `env`, with every reference resolved. */
  readonly env: Readonly<Record<string, string>>;
  readonly service: string;
  /** From 1. */
  readonly instance: number;
}

/** All systems take so much at least; more ends in "argument list too long", which says nothing. */
const ENVIRONMENT_LENGTH_MAX = 512 * 1024;

/** Where somebody's own files are: another user could not read them, and should not write them. */
const PERSONAL = /^(?:HOME|USER|LOGNAME|SHELL|MAIL|TMPDIR|XDG_.*|FLEETD_HOME|FLEETD_CONFIG)$/;

/** The whole environment of one instance of a service. */
export function composeEnvironment(parts: EnvironmentParts): Result<Readonly<Record<string, string>>> {
  const merged = new Map<string, string>();
  for (const [name, value] of Object.entries(baseOf(parts))) merged.set(name, value);
  for (const table of [...parts.files, parts.env]) {
    for (const [name, value] of Object.entries(table)) {
      if (!isReservedVariable(name)) merged.set(name, value);
    }
  }
  merged.set("FLEETD_SERVICE", parts.service);
  merged.set("FLEETD_INSTANCE", String(parts.instance));
  const environment = Object.fromEntries(merged);
  const length = Object.entries(environment).reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    0,
  );
  if (length <= ENVIRONMENT_LENGTH_MAX) return ok(environment);
  return fail(
    `Cannot start "${parts.service}": its environment has ${length} characters, need at most ${ENVIRONMENT_LENGTH_MAX}`,
  );
}

function baseOf({ own, account }: EnvironmentParts): Record<string, string> {
  const kept = keptVariables(own);
  if (account === null) return kept;
  const common = Object.entries(kept).filter(([name]) => !PERSONAL.test(name.toUpperCase()));
  return {
    ...Object.fromEntries(common),
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
  };
}
