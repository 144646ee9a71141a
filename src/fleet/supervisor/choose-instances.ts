/** Which instances somebody means who names services, given the folders that instances have. */
import { fail, ok, type Result } from "../../base/result.ts";
import { folderOfInstance, parseInstanceName } from "./model.ts";

/** The instance whose folder has this name, or null: it is none of ours. */
export function instanceOfFolder(folder: string): string | null {
  const name = folder.replace(".", ":");
  const parsed = parseInstanceName(name);
  return parsed.ok && folderOfInstance(name) === folder ? name : null;
}

/**
 * The instances among `known` that `words` name, each once, in the order of the words: `web` means all of them, `web:2`
 * one. Fails with the first word that means none.
 */
export function chooseInstances(
  words: readonly string[],
  known: readonly string[],
): Result<readonly string[], string> {
  const chosen = new Set<string>();
  for (const word of words) {
    // The first instance has the folder of the service, also when there are several.
    const asked = word.endsWith(":1") ? word.slice(0, -":1".length) : word;
    const meant = known.filter((name) => name === asked || (asked === word && name.startsWith(`${word}:`)));
    if (meant.length === 0) return fail(word);
    for (const name of meant.sort(byNumber)) chosen.add(name);
  }
  return ok([...chosen]);
}

const byNumber = (left: string, right: string): number => numberOf(left) - numberOf(right);
const numberOf = (name: string): number => Number(name.split(":")[1] ?? 0);
