import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A word that `refuseWord` lets no log contain. */
export const VILE = "vile";

/** What the hook of `refuseWord` says. */
export const HOOK_WORDS = "such words are not welcome here";

/** Lets `remote` refuse every push that adds an entry with the word `VILE`. `first`: shell that runs before it looks. */
export function refuseWord(remote: string, first = ""): void {
  writeHook(
    remote,
    `${first}
while read old new ref; do
  case "$ref" in */log/*) ;; *) continue ;; esac
  case "$old" in *[!0]*) range="$old..$new" ;; *) range="$new" ;; esac
  for commit in $(git rev-list "$range"); do
    if git cat-file blob "$commit:entries.jsonl" | grep -q ${VILE}; then
      echo "${HOOK_WORDS}"
      exit 1
    fi
  done
done
exit 0`,
  );
}

/** Lets `remote` refuse every push until the file `flag` is there. */
export function refuseUntil(remote: string, flag: string): void {
  writeHook(remote, `cat > /dev/null\n[ -e "${flag}" ] || { echo "closed for today"; exit 1; }`);
}

/** Takes the hook away. */
export const refuseNothing = (remote: string): void => rmSync(hookOf(remote), { force: true });

const hookOf = (remote: string): string => join(remote, "hooks", "pre-receive");

function writeHook(remote: string, script: string): void {
  mkdirSync(join(remote, "hooks"), { recursive: true });
  writeFileSync(hookOf(remote), `#!/bin/sh\n${script}\n`);
  chmodSync(hookOf(remote), 0o755);
}
