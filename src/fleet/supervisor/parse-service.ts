import { fail, ok, type Result } from "../../base/result.ts";
import { parseServiceFile, parseServicesFile, type SettingsIssue } from "../settings/model.ts";
import type { ServiceDefinition } from "./model.ts";
import { resolveService, type SupervisorSettings } from "./resolve-service.ts";

/** Everything that is wrong with a definition; paths begin at the name of the service. */
export type DefinitionIssues = readonly SettingsIssue[];

/** Reads one definition that came another way than in the configuration: the same words, the same rules. */
export function parseServiceDefinition(
  name: string,
  value: unknown,
  defaults: SupervisorSettings,
): Result<ServiceDefinition, DefinitionIssues> {
  const parsed = parseServiceFile(name, value);
  return parsed.ok ? ok(resolveService(name, parsed.value, defaults)) : fail(parsed.error);
}

/** Reads the content of a file of services: `services:` and nothing else. Paths begin at `services`. */
export function parseServiceDefinitions(
  value: unknown,
  defaults: SupervisorSettings,
): Result<readonly ServiceDefinition[], DefinitionIssues> {
  const parsed = parseServicesFile(value);
  if (!parsed.ok) return parsed;
  return ok(Object.entries(parsed.value).map(([name, file]) => resolveService(name, file, defaults)));
}
