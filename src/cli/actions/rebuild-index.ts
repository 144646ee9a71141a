import { rebuildIndex } from "../../daemon/rebuild-index.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { loadSettings, requireServer } from "../settings.ts";

/** The arguments of `rebuild-index`, as typed. */
export interface RebuildArguments {
  readonly json: boolean;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Makes the index anew from the object store. What was read and answered is not in it and stays. */
export async function rebuild(args: RebuildArguments): Promise<void> {
  const report = await rebuildIndex(requireServer(await loadSettings(args)));
  const { acceptedLines, quarantined, cardsTaken } = report;
  if (args.json) printJson("rebuild-index", { entries: acceptedLines, quarantined, cards: cardsTaken });
  else
    printText(
      `Index made anew: ${acceptedLines} entries of others, ${cardsTaken} cards, ${quarantined} quarantined`,
    );
}
