#!/bin/sh
# Sets up a fresh checkout and runs the gate. Needs git and npm; may be started from any folder.
#   scripts/test.sh [--long] [--keep-going]
# --long runs the suites in test/long as well, --keep-going goes on after a red station.
# The last line is "N passed, N failed", followed by ", N skipped" if there are any; the exit code is 0 when all is well.
set -eu

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=scripts/bootstrap.sh
. "$ROOT/scripts/bootstrap.sh"

# What tests call besides git: the command, Debian's package, and which tests do without.
TOOLS="ssh-keygen openssh-client signatures
python3 python3 handlers and health checks in Python"

# missing_tools COLUMN: that column of the tools that are not installed.
missing_tools() {
  printf '%s\n' "$TOOLS" | while read -r tool package subject; do
    command -v "$tool" >/dev/null && continue
    case $1 in
      package) printf '%s\n' "$package" ;;
      reason) printf 'skipped: tests of %s, because %s is not installed\n' "$subject" "$tool" ;;
    esac
  done
}

install_tools() {
  packages=$(missing_tools package)
  [ -n "$packages" ] || return 0
  if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then
    packages=$(echo "$packages" | tr '\n' ' ')
    echo "Installing $packages" >&2
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # shellcheck disable=SC2086 # one word per package
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends $packages; } >&2 ||
      echo "apt-get failed, going on without $packages" >&2
  fi
  missing_tools reason
}

for word in "$@"; do
  case $word in
    --long | --keep-going) ;;
    --help | -h)
      sed -n '2,5s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) die 64 "Cannot run the tests: \"$word\" is no flag of test.sh." "Try scripts/test.sh --help." ;;
  esac
done
install_tools
ensure_bun
install_packages
exec "$BUN" "$ROOT/scripts/ok.ts" "$@"
