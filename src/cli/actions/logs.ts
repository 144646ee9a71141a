import { parseDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { LOG_LEVELS, parseLogLevel } from "../../base/log-line.ts";
import { chooseInstances } from "../../fleet/supervisor/choose-instances.ts";
import { parseInstanceName } from "../../fleet/supervisor/model.ts";
import { systemClock } from "../../platform/clock.ts";
import { LogFollower, listLogParts } from "../../platform/log-reader.ts";
import { commandSignal } from "../command-signal.ts";
import { isWanted, type LogPiece, readPast, type WantedLines } from "../log-past.ts";
import {
  daemonSource,
  type LogSource,
  loggedInstances,
  type ShownLine,
  serviceSource,
} from "../log-sources.ts";
import { mergeLines } from "../merge-lines.ts";
import { openAnswerStream, printNotice } from "../output/print-answer.ts";
import { openStyle } from "../output/terminal.ts";
import { parseCount, typed } from "../session.ts";
import { loadSettings, requireServer, type Settings } from "../settings.ts";
import { didYouMean } from "../suggest.ts";

/** The arguments of `logs`, as typed. */
export interface LogsArguments {
  readonly name: readonly string[];
  readonly follow: boolean;
  readonly level: string | undefined;
  readonly since: string | undefined;
  readonly limit: string | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Without a bound in time this many lines are shown. */
const LIMIT_DEFAULT = 200;
/** Logs are written two to four times a second. */
const LOOK_EVERY_MS = 250;

/** What is read: the logs that are there now, which may become more. */
type Sources = () => readonly LogSource[];

/** Prints the end of the logs, and with `--follow` what comes. Reads the files: no daemon has to run. */
export async function logs(args: LogsArguments): Promise<void> {
  const wanted = parseWanted(args);
  const sources = chooseSources(args.name, await loadSettings(args));
  const stream = openAnswerStream();
  const style = openStyle(args);
  let day = "";
  const print = (line: ShownLine): void => {
    if (args.json) {
      stream.json("logs", line.json);
      return;
    }
    const [date = ""] = line.timestamp.split("T", 1);
    if (date !== day) stream.text(style.dim(date));
    day = date;
    stream.text(line.render(style));
  };
  // Stand at the end before the past is read, and the past ends there: no line is lost between the two or told twice.
  const readers = sources().map((source) => openReader(source, args.follow));
  try {
    const past = readers.map((reader) => readPast(partsBefore(reader), reader.source.parse, wanted));
    const lines = mergeLines(past.map((one) => one.lines)).slice(-wanted.limit);
    for (const line of lines) print(line);
    const unreadable = past.reduce((sum, one) => sum + one.unreadable, 0);
    if (unreadable > 0) printNotice(`${unreadable} line(s) of the log are not readable and left out`);
    if (lines.length === 0 && !(args.json || args.follow)) printNotice("No such lines in the log");
    if (args.follow) await follow({ readers, sources }, wanted, print);
  } finally {
    for (const { follower } of readers) follower?.close();
  }
}

/** The logs that `words` name. @throws FleetError BAD_INPUT for a name that nothing has */
function chooseSources(words: readonly string[], settings: Settings): Sources {
  if (words.length === 0) {
    const source = daemonSource(requireServer(settings).logs);
    return () => [source];
  }
  const { root } = settings;
  const configured = Object.keys(settings.running.services);
  const isConfigured = (word: string): boolean => {
    const parsed = parseInstanceName(word);
    return parsed.ok && configured.includes(parsed.value.service);
  };
  const logged = loggedInstances(root);
  for (const word of words) {
    if (chooseInstances([word], logged).ok || isConfigured(word)) continue;
    const names = [...logged, ...logged.map((name) => name.split(":")[0] ?? ""), ...configured];
    throw new FleetError(
      "BAD_INPUT",
      `Cannot show logs of "${word}": no service of that name was started or configured${didYouMean(word, names)}`,
    );
  }
  let count = 0;
  const isNamed = (): boolean => count > 1;
  return () => {
    const known = loggedInstances(root);
    const chosen = new Set(words.flatMap((word) => instancesOf(word, known)));
    count = chosen.size;
    return [...chosen].map((instance) => serviceSource(root, instance, isNamed));
  };
}

/** What a word means now; nothing while the service was never started. */
function instancesOf(word: string, known: readonly string[]): readonly string[] {
  const chosen = chooseInstances([word], known);
  return chosen.ok ? chosen.value : [];
}

function parseWanted({ level, since, limit }: LogsArguments): WantedLines {
  const least = parseLogLevel(level ?? "debug");
  if (least === null) {
    const names = LOG_LEVELS.map((one) => one.toLowerCase());
    throw new FleetError(
      "USAGE",
      `Cannot read --level "${level}": need one of ${names.join(", ")}${didYouMean(level ?? "", names)}`,
    );
  }
  const agoMs = since === undefined ? null : typed<number>(parseDuration(since));
  const usual = agoMs === null ? LIMIT_DEFAULT : Number.POSITIVE_INFINITY;
  return {
    level: least,
    sinceWallMs: agoMs === null ? Number.NEGATIVE_INFINITY : systemClock.wallMs() - agoMs,
    limit: limit === undefined ? usual : parseCount("limit", limit),
  };
}

/** A log that is read; `follower` null: only what is there. */
interface Reader {
  readonly source: LogSource;
  readonly follower: LogFollower | null;
}

const openReader = (source: LogSource, isFollowed: boolean): Reader => ({
  source,
  follower: isFollowed ? new LogFollower(source.folder, source.name) : null,
});

/** The files of a log, newest first, as far as they lie before the place where its follower stands. */
function partsBefore({ source, follower }: Reader): LogPiece[] {
  const parts = listLogParts(source.folder, source.name).map((part) => ({
    ...part,
    end: Number.POSITIVE_INFINITY,
  }));
  const place = follower?.standsAt ?? null;
  const at = parts.findIndex(({ inode }) => inode === place?.inode);
  return place === null || at === -1
    ? parts
    : parts.slice(at).map((part, index) => (index === 0 ? { ...part, end: place.position } : part));
}

/** `readers` grows with instances that are started later; whoever opened it closes them all. */
async function follow(
  { readers, sources }: { readonly readers: Reader[]; readonly sources: Sources },
  wanted: WantedLines,
  print: (line: ShownLine) => void,
): Promise<void> {
  const signal = commandSignal();
  while (!signal.aborted) {
    for (const source of sources()) {
      if (readers.some((reader) => reader.source.folder === source.folder)) continue;
      readers.push({ source, follower: new LogFollower(source.folder, source.name, "start") });
    }
    for (const line of mergeLines(readers.map(nextLines))) if (isWanted(line, wanted)) print(line);
    // Being told to stop ends the wait, and the loop.
    await systemClock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
  }
}

const nextLines = ({ source, follower }: Reader): readonly ShownLine[] =>
  (follower?.next() ?? []).flatMap((text) => source.parse(text) ?? []);
