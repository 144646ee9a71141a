/** What a service is started with: its words, its folder, its environment, looked up anew at each start. */
import { homedir } from "node:os";
import { causedBy, FleetError, messageOf, requireOk } from "../../base/errors.ts";
import { type Account, composeEnvironment } from "../../fleet/supervisor/compose-environment.ts";
import { ENV_FILE_BYTES_MAX, type EnvFile, parseEnvFile } from "../../fleet/supervisor/env-file.ts";
import type { PreparedStart } from "../../fleet/supervisor/instance-world.ts";
import type { ContainerPlan, ServiceCommand, ServiceDefinition } from "../../fleet/supervisor/model.ts";
import type { InstanceKey } from "../../fleet/supervisor/service-store.ts";
import { watchdogMs } from "../../fleet/supervisor/watch-probes.ts";
import { exists, readRegularFile } from "../../platform/files.ts";
import { ownEnvironment } from "../../platform/own-process.ts";
import { resolveReference } from "../../platform/secret-reference.ts";
import { findLogin } from "../../platform/supervision/accounts.ts";

/** Where a service runs and what it finds there. */
export interface Surroundings {
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What was left out of its files of variables. */
  readonly notes: readonly string[];
}

/** A start, and what its owner should know of it. */
export interface NotedStart {
  readonly start: Omit<PreparedStart, "listeners">;
  readonly notes: readonly string[];
}

/** Everything that one start is made of, but its sockets. @throws FleetError CONFIG naming what is missing */
export async function prepareStart(
  definition: ServiceDefinition,
  key: InstanceKey,
  notifySocket: string | null,
): Promise<NotedStart> {
  const { command, user, group, name } = definition;
  if (definition.container !== null) return await prepareContainer(definition, definition.container, key);
  if (command === null) throw new FleetError("CONFIG", `Cannot start "${name}": it has no command`);
  const { cwd, environment, notes } = await surroundingsOf(definition, key);
  const start = {
    command: wordsOf(command),
    cwd,
    environment: { ...environment, ...notifyVariables(definition, notifySocket) },
    user,
    group,
  };
  return { start, notes };
}

/** A container has nothing of this machine's surroundings: only what is written down for it. */
async function prepareContainer(
  definition: ServiceDefinition,
  container: ContainerPlan,
  key: InstanceKey,
): Promise<NotedStart> {
  const { command, user, group, cwd } = definition;
  const { environment, notes } = await surroundingsOf({ ...definition, user: null }, key, {});
  const isShell = command?.shell === true;
  const start = {
    command: isShell ? ["/bin/sh", "-c", ...command.words] : (command?.words ?? []),
    cwd: "/",
    environment,
    user,
    group,
    container: { ...container, workingFolder: cwd },
  };
  return { start, notes };
}

/** Folder and environment of a service: what its own programs run in, its probes too. @throws FleetError CONFIG */
export async function surroundingsOf(
  definition: ServiceDefinition,
  key: InstanceKey,
  base: Readonly<Record<string, string | undefined>> = ownEnvironment(),
): Promise<Surroundings> {
  const { user, env, envFiles, name, cwd } = definition;
  const account: Account | null = user === null ? null : await findLogin(user);
  const own = ownEnvironment();
  const files = envFiles.map((path) => ({ path, read: readVariables(path, name) }));
  const environment = composeEnvironment({
    own: base,
    account,
    files: files.map(({ read }) => read.variables),
    env: Object.fromEntries(
      Object.entries(env).map(([variable, value]) => [
        variable,
        resolveReference(value, own, readRegularFile),
      ]),
    ),
    service: name,
    instance: key.number,
  });
  return {
    cwd: cwd ?? folderOf(account?.home ?? homedir()),
    environment: requireOk("CONFIG", environment),
    notes: files.flatMap(({ path, read }) =>
      read.dropped.map(({ line, message }) => `"${path}": line ${line}: ${message}`),
    ),
  };
}

/** Accounts of programs have homes that nobody made; who named no folder needs none. */
const folderOf = (home: string): string => (exists(home) ? home : "/");

/** The words of a command; a text goes to the shell of the system. */
export function wordsOf({ words, shell }: ServiceCommand): readonly string[] {
  if (!shell) return words;
  const [text = ""] = words;
  return process.platform === "win32" ? ["cmd.exe", "/d", "/s", "/c", text] : ["/bin/sh", "-c", text];
}

function readVariables(path: string, service: string): EnvFile {
  let bytes: Uint8Array;
  try {
    bytes = readRegularFile(path, ENV_FILE_BYTES_MAX + 1);
  } catch (thrown) {
    throw causedBy(
      "CONFIG",
      `Cannot start "${service}": cannot read "${path}": ${messageOf(thrown)}`,
      thrown,
    );
  }
  const parsed = parseEnvFile(new TextDecoder().decode(bytes));
  if (parsed.ok) return parsed.value;
  const problems = parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join("; ");
  throw new FleetError("CONFIG", `Cannot start "${service}": "${path}": ${problems}`);
}

function notifyVariables(
  { probes }: ServiceDefinition,
  socket: string | null,
): Readonly<Record<string, string>> {
  if (socket === null) return {};
  const aliveMs = watchdogMs(probes);
  return {
    NOTIFY_SOCKET: socket,
    ...(aliveMs === null ? {} : { WATCHDOG_USEC: String(aliveMs * 1000) }),
  };
}
