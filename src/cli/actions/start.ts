import { FleetError } from "../../base/errors.ts";
import {
  type DescribingFlags,
  fromCommand,
  fromFile,
  fromProgram,
  type GivenService,
  isFileWord,
} from "../given-service.ts";
import { toDuration } from "../kill-view.ts";
import { openSupervisor } from "../supervisor-client.ts";
import { start as startKnown, type WaitFlags, waitFor } from "./services.ts";

/** The arguments of `start`, as typed. */
export type StartArguments = WaitFlags &
  DescribingFlags & {
    readonly what: readonly string[];
    readonly name: string | undefined;
    readonly replace: boolean;
  };

/** Starts services that are known, or defines one and starts it. */
export async function start(args: StartArguments): Promise<number> {
  const given = await givenBy(args);
  if (given === null) return await startKnown({ ...args, name: args.what });
  const timeoutMs = toDuration(args.timeout);
  const client = await openSupervisor(args);
  const { instances } = await client.ask((daemon) =>
    daemon.services.give({ definitions: given, replace: args.replace }),
  );
  return await waitFor(client, args, { verb: "start", instances, before: new Map(), timeoutMs });
}

/** What the words define; null where they only name what is known. */
async function givenBy(args: StartArguments): Promise<readonly GivenService[] | null> {
  const { what, name } = args;
  const [only = "", ...others] = what;
  if (name !== undefined) {
    const isProgram = others.length === 0 && isFileWord(only);
    return [isProgram ? fromProgram(only, name, args) : fromCommand(name, what, args)];
  }
  const files = what.filter(isFileWord);
  if (files.length === 0) return null;
  if (files.length < what.length) {
    throw new FleetError(
      "USAGE",
      `Cannot start "${what.join(" ")}": files and names together, need one of them`,
      {
        hint: "A command with arguments needs a name: fleetd start --name NAME -- COMMAND",
      },
    );
  }
  const given = await Promise.all(
    files.map(async (file) =>
      /\.(?:ya?ml|json)$/i.test(file) ? await fromFile(file) : [fromProgram(file, undefined, args)],
    ),
  );
  return given.flat();
}
