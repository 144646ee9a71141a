import { parseDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { pauseAuto, resumeAuto } from "../../fleet/messaging/auto-pause.ts";
import { systemClock } from "../../platform/clock.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { typed, withSession } from "../session.ts";

/** The arguments of `pause auto` and `resume auto`, as typed. */
export interface PauseArguments {
  readonly json: boolean;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Stops everything automatic; a running monitor asks before every act, so it holds at once. */
export async function pause(args: PauseArguments & { readonly for: string | undefined }): Promise<void> {
  const durationMs = args.for === undefined ? null : typed<number>(parseDuration(args.for));
  if (durationMs === 0) throw new FleetError("USAGE", "Cannot pause for 0 seconds: need a longer time");
  await withSession(args, (session) => {
    const { state, identity } = session.mailbox();
    const { untilWallMs } = state.transaction(() => pauseAuto(state, durationMs, systemClock.wallMs()));
    const until = untilWallMs === null ? null : new Date(untilWallMs).toISOString();
    if (args.json) printJson("pause.auto", { server: identity.server, paused: true, until });
    else
      printText(
        `${identity.server} answers, acknowledges and runs nothing ${until === null ? 'until "fleetd resume auto"' : `until ${until}`}; messages stay in the inbox`,
      );
    return Promise.resolve();
  });
}

/** Ends a pause. */
export async function resume(args: PauseArguments): Promise<void> {
  await withSession(args, (session) => {
    const { state, identity } = session.mailbox();
    const wasPaused = state.transaction(() => resumeAuto(state, systemClock.wallMs()));
    if (args.json)
      printJson("resume.auto", { server: identity.server, paused: false, was_paused: wasPaused });
    else printText(wasPaused ? `${identity.server} answers and runs handlers again` : "Nothing was paused");
    return Promise.resolve();
  });
}
