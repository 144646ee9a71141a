import { toVerdictCode } from "../../fleet/health/model.ts";
import { commandSignal } from "../command-signal.ts";
import { type AnswerStream, openAnswerStream, printJson, printText } from "../output/print-answer.ts";
import { openScreen } from "../output/screen.ts";
import { renderStatus } from "../output/status-view.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { type Session, sessionOf, withWholeIndex } from "../session.ts";
import { loadSettings, requireServer, type Settings } from "../settings.ts";
import { gatherStatus, toStatusJson } from "../status-page.ts";
import { waitForNews } from "../wait-until.ts";
import { orUnjudged } from "./health.ts";

/** The arguments of `status`, as typed. */
export interface StatusArguments {
  readonly check: boolean;
  readonly watch: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Ages on the page go on while nothing happens, so it is drawn again this often. */
const REFRESH_MS = 5_000;

/** One page about this server and its fleet. Exit code 0 and says so; with `--check` the verdict is the exit code. */
export async function status(args: StatusArguments): Promise<number> {
  const show = async (): Promise<number> => {
    const settings = await loadSettings(args);
    const session = sessionOf(requireServer(settings), settings.running);
    try {
      return args.watch
        ? await watchStatus(args, session, settings)
        : await showStatus(args, session, settings);
    } finally {
      await session.close();
    }
  };
  return args.check ? await orUnjudged(args, show) : await show();
}

async function showStatus(args: StatusArguments, session: Session, settings: Settings): Promise<number> {
  const page = await withWholeIndex(session, () => gatherStatus(session, settings.running));
  if (args.json) printJson("status", toStatusJson(page));
  else printText(renderStatus(page, openStyle(args), terminalWidth()));
  return args.check ? toVerdictCode(page.verdict) : 0;
}

/** The page again whenever something changes, until interrupted; without a terminal each page follows the last. */
async function watchStatus(args: StatusArguments, session: Session, settings: Settings): Promise<number> {
  const stream: AnswerStream = openAnswerStream();
  const screen = openScreen(stream);
  const style = openStyle(args);
  let shown = "";
  while (!commandSignal().aborted) {
    const page = await withWholeIndex(session, () => gatherStatus(session, settings.running));
    if (args.json) {
      const json = toStatusJson(page);
      const text = JSON.stringify(json);
      if (text !== shown) stream.json("status", json);
      shown = text;
    } else {
      screen.show(renderStatus(page, style, terminalWidth()));
    }
    await waitForNews(session, page.daemon?.revision ?? null, REFRESH_MS);
  }
  return 0;
}
