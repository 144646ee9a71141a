/**
 * What goes into a bug report: what helps to understand a fleet that does not work, and nothing that anybody wrote to
 * anybody. Parts are named one by one, so what is not named is not in it; then everything known to be secret is taken
 * out of all of them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { parseLogLine } from "../base/log-line.ts";
import type { Database } from "../base/ports/database.ts";
import { isSecretName, REDACTED, redact } from "../base/redact.ts";
import { keyFiles } from "../daemon/own-keys.ts";
import type { Rule } from "../fleet/messaging/match-rules.ts";
import { queueSummary } from "../fleet/messaging/queue.ts";
import { outlineServices } from "../fleet/settings/show-services.ts";
import { exists } from "../platform/files.ts";
import { systemGitEnvironment } from "../platform/git/git-environment.ts";
import { probeGit } from "../platform/git/probe-git.ts";
import { parseRemoteAddress } from "../platform/git/remote-address.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { examineAll, toFindingJson } from "./actions/doctor.ts";
import { toHealthJson } from "./actions/health.ts";
import { judgeServer } from "./judge-server.ts";
import { type Session, sessionOf } from "./session.ts";
import type { SettingFlags } from "./setting-sources.ts";
import { loadSettings, requireServer, type Settings } from "./settings.ts";
import { gatherStatus, toStatusJson } from "./status-page.ts";
import { VERSION } from "./version.ts";

/** One file of the report. `redacted`: how many places were taken out of it. */
export interface ReportFile {
  readonly name: string;
  readonly content: string;
  readonly redacted: number;
}

/** Log lines that are taken: those of the last hours of a busy server. Chosen, not measured. */
const LOG_LINES_MAX = 1_000;

/** Gathers and redacts every file of the report. A part that cannot be had says why in its place. */
export async function gatherReport(flags: SettingFlags): Promise<ReportFile[]> {
  const settings = await orReason(() => loadSettings(flags));
  const paths = "reason" in settings ? null : await orReason(() => requireServer(settings.value));
  const session =
    "reason" in settings || paths === null || "reason" in paths
      ? null
      : sessionOf(paths.value, settings.value.running);
  const secrets = [
    ...environmentSecrets(),
    ...(session === null ? [] : serverSecrets(session)),
    ...("reason" in settings ? [] : referencedSecrets(settings.value)),
  ];
  const part = async (name: string, gather: () => unknown): Promise<ReportFile> => {
    const found = await orReason(gather);
    const value = "reason" in found ? { error: found.reason } : found.value;
    const lines = Array.isArray(value) && name.endsWith("l");
    const cleaned = redact(value, secrets);
    const content = lines
      ? (cleaned.value as unknown[]).map((line) => `${JSON.stringify(line)}\n`).join("")
      : `${JSON.stringify(cleaned.value, null, 2)}\n`;
    return { name, content, redacted: cleaned.count };
  };
  try {
    return await Promise.all([
      part("about.json", about),
      part("configuration.json", () =>
        "reason" in settings ? { error: settings.reason } : configurationOf(settings.value),
      ),
      part("status.json", async () => toStatusJson(await gatherStatus(required(session), running(settings)))),
      part("health.json", async () =>
        toHealthJson((await judgeServer(required(session), running(settings), null)).report),
      ),
      part("doctor.json", async () => {
        const { found } = await examineAll(flags, () => Promise.resolve([]));
        return found.map(toFindingJson);
      }),
      part("counts.json", () => countsOf(required(session))),
      part("refs.json", () => Object.fromEntries(required(session).mailbox().store().readRefs("refs/"))),
      part("log.jsonl", () => lastLogLines(required(session).paths)),
    ]);
  } finally {
    await session?.close();
  }
}

type Got<T> = { readonly value: T } | { readonly reason: string };

async function orReason<T>(gather: () => T | Promise<T>): Promise<Got<T>> {
  try {
    return { value: await gather() };
  } catch (thrown) {
    return { reason: messageOf(thrown) };
  }
}

function required(session: Session | null): Session {
  if (session === null) throw new Error("no server was made, or none was chosen");
  return session;
}

function running(settings: Got<Settings>): Settings["running"] {
  if ("reason" in settings) throw new Error(settings.reason);
  return settings.value.running;
}

async function about(): Promise<Record<string, unknown>> {
  const git = await orReason(() => probeGit(systemGitEnvironment()));
  const names = Object.keys(process.env).filter((name) =>
    /^(?:FLEETD_|GIT_|SERVER_ID$|BUILD_REPO_PATH$)/.test(name),
  );
  return {
    fleetd: VERSION,
    bun: Bun.version,
    platform: process.platform,
    architecture: process.arch,
    system: release(),
    git: "reason" in git ? git.reason : git.value,
    made_at: new Date().toISOString(),
    // Only which are set: a value may be a secret under any name.
    environment: names.toSorted(),
  };
}

const configurationOf = ({ running: settings, file, server, remote }: Settings): Record<string, unknown> => ({
  file,
  server,
  remote,
  settings: {
    ...settings,
    rules: settings.rules.map(withoutWords),
    services: outlineServices(settings.services),
  },
});

/** An argument of a program may be a secret, and what a rule answers is what somebody writes to somebody. */
const withoutWords = (rule: Rule): Rule => ({
  ...rule,
  ...(rule.run === undefined ? {} : { run: rule.run.map((word, index) => (index === 0 ? word : REDACTED)) }),
  ...(rule.reply === undefined ? {} : { reply: REDACTED }),
});

/** How much is in every table; never what. */
function countsOf(session: Session): Record<string, unknown> {
  const { state, index } = session.mailbox();
  const states = state.all<{ state: string; type: string; count: number }>(
    "SELECT state, type, count(*) AS count FROM outbox GROUP BY state, type",
  );
  const { reason: _words, ...queue } = queueSummary(state);
  return { state: countTables(state), index: countTables(index()), outbox: states, queue };
}

function countTables(database: Database): Record<string, number> {
  const tables = database.all<{ name: string }>(
    "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
  );
  return Object.fromEntries(
    tables.map(({ name }) => {
      const row = database.get<{ count: number }>(`SELECT count(*) AS count FROM main."${name}"`);
      return [name, row?.count ?? 0];
    }),
  );
}

/** The last lines of the daemon's log, none of which tells what a message said; those for debugging are left out. */
function lastLogLines({ logs }: ServerPaths): unknown[] {
  if (!exists(logs)) return [];
  const files = readdirSync(logs)
    .filter((name) => name.endsWith(".log"))
    .toSorted();
  // "fleetd-000001.log" sorts before "fleetd.log", which is the newest.
  const lines = files.flatMap((name) => readFileSync(join(logs, name), "utf8").split("\n"));
  const records = lines.flatMap((line) => parseLogLine(line) ?? []);
  return records.filter((record) => record.level !== "DEBUG").slice(-LOG_LINES_MAX);
}

const environmentSecrets = (): string[] =>
  Object.entries(process.env).flatMap(([name, value]) => (isSecretName(name) && value ? [value] : []));

/** The key in the forms in which it could stand somewhere, and what the remote's address hides. */
function serverSecrets(session: Session): string[] {
  const { paths } = session;
  const secrets = keyFiles(paths.key)
    .filter(exists)
    .flatMap((path) => {
      const base64 = readFileSync(path, "utf8")
        .replace(/-----[A-Z ]+-----/g, "")
        .trim();
      return [base64, ...base64.split("\n"), base64.replaceAll("\n", "")];
    });
  try {
    secrets.push(...parseRemoteAddress(session.mailbox().identity.remoteUrl).secrets);
  } catch {
    // The state cannot be opened, so the address is nowhere in the report either.
  }
  return secrets;
}

/** What `env:NAME` and `file:PATH` in the settings stand for. */
function referencedSecrets(settings: Settings): string[] {
  const text = JSON.stringify([
    settings.running,
    settings.remote,
    settings.sources.map(({ values }) => values),
  ]);
  return [...text.matchAll(/"(env|file):([^"]+)"/g)].flatMap(([, kind, name = ""]) => {
    if (kind === "env") return process.env[name] ?? [];
    try {
      return readFileSync(name, "utf8").trim();
    } catch {
      // There is no such file, so there is no secret to keep.
      return [];
    }
  });
}
