#!/bin/sh
# Builds fleetd from this checkout and installs it for one user. Asks nothing, and may be run again at any time.
set -eu

usage() {
  cat <<'HELP'
Usage: ./install.sh [--prefix DIR] [--quickstart] [--uninstall] [--help]

Builds fleetd from this checkout and installs it as DIR/bin/fleetd. Needs git 2.25 or later and, for the build,
either npm or the version of Bun named in package.json.

  --prefix DIR  where to install; by default $FLEETD_PREFIX, else $HOME/.local, else (root without HOME) /usr/local
  --quickstart  end with "fleetd quickstart"
  --uninstall   remove DIR/bin/fleetd and nothing else
  --help        this text

Exit codes: 0 done, 64 wrong usage, 69 something needed is missing, 70 the build failed, 73 cannot write to DIR.
HELP
}

# The flag that was probably meant by $1: the one that begins with the same letters.
suggestion_for() {
  case $1 in
    --q* | -q* | quick*) echo "Did you mean --quickstart?" ;;
    --p* | -p*) echo "Did you mean --prefix DIR?" ;;
    --u* | -u* | --r* | uninstall | remove) echo "Did you mean --uninstall?" ;;
    *) echo "Try ./install.sh --help." ;;
  esac
}

# Outside a checkout there is no bootstrap.sh to take this from.
stop() {
  stop_code=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$stop_code"
}

parse_flags() {
  PREFIX=${FLEETD_PREFIX:-}
  ACTION=install
  QUICKSTART=no
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix)
        PREFIX=${2:-}
        [ -n "$PREFIX" ] || stop 64 "Cannot install: found --prefix alone, a folder is needed."
        shift
        ;;
      --prefix=?*) PREFIX=${1#--prefix=} ;;
      --quickstart) QUICKSTART=yes ;;
      --uninstall) ACTION=uninstall ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) stop 64 "Cannot install: \"$1\" is no flag of install.sh." "$(suggestion_for "$1")" ;;
    esac
    shift
  done
  if [ "$ACTION$QUICKSTART" = uninstallyes ]; then
    stop 64 "Cannot install: found --quickstart and --uninstall, only one is possible."
  fi
}

# Completes PREFIX, as an absolute path, and sets TARGET.
choose_target() {
  if [ -z "$PREFIX" ]; then
    if [ -n "${HOME:-}" ]; then
      PREFIX=$HOME/.local
    elif [ "$(id -u)" = 0 ]; then
      PREFIX=/usr/local
    else
      stop 64 "Cannot install: HOME is not set, --prefix DIR is needed."
    fi
  fi
  case $PREFIX in
    /*) ;;
    *) PREFIX=$PWD/$PREFIX ;;
  esac
  BIN=$PREFIX/bin
  TARGET=$BIN/fleetd
}

uninstall() {
  if [ ! -e "$TARGET" ] && [ ! -L "$TARGET" ]; then
    echo "Nothing to do: there is no $TARGET."
    return 0
  fi
  rm -f "$TARGET" 2>/dev/null || stop 73 "Cannot remove $TARGET: no permission to write to $BIN."
  echo "Removed $TARGET. Settings and state were left alone."
}

check_git() {
  command -v git >/dev/null || stop 69 \
    "Cannot install fleetd: git is not on PATH, version 2.25 or later is needed." \
    "Install git with the package manager of this machine and start again."
  version=$(git --version | sed -n 's/^git version \([0-9]*\.[0-9]*\).*/\1/p')
  major=${version%%.*}
  minor=${version#*.}
  [ -n "$version" ] || stop 69 "Cannot install fleetd: \"git --version\" names no version, 2.25 or later is needed."
  if [ "$major" -lt 2 ] || { [ "$major" -eq 2 ] && [ "$minor" -lt 25 ]; }; then
    stop 69 "Cannot install fleetd: git is version $version, 2.25 or later is needed."
  fi
}

check_checkout() {
  ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  if [ ! -f "$ROOT/scripts/bootstrap.sh" ] || ! grep -qs '"name": "fleetd"' "$ROOT/package.json"; then
    stop 69 \
      "Cannot install fleetd: $ROOT is not a checkout of fleetd, and install.sh builds from source." \
      "Clone the repository and run ./install.sh inside it."
  fi
}

check_system() {
  case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*) stop 69 "Cannot install fleetd: this is Windows, install.ps1 is needed." ;;
  esac
}

check_target() {
  mkdir -p "$BIN" 2>/dev/null || stop 73 "Cannot install to $BIN: the folder cannot be made, choose another with --prefix."
  [ -w "$BIN" ] || stop 73 "Cannot install to $BIN: no permission to write, choose another folder with --prefix."
  [ ! -d "$TARGET" ] || stop 73 "Cannot install to $TARGET: it is a folder, a file or nothing is needed."
}

# Replaces by rename: a running fleetd keeps its own file, and nobody ever sees half of one.
install_executable() {
  fresh=$BIN/.fleetd.$$
  trap 'rm -f "$fresh"' EXIT
  { cp "$ROOT/dist/fleetd" "$fresh" && chmod 755 "$fresh"; } || stop 73 "Cannot write $fresh: see above."
  installed_version=$("$fresh" --version) || stop 70 "Cannot install fleetd: the new executable does not start, see above."
  mv -f "$fresh" "$TARGET" || stop 73 "Cannot replace $TARGET: see above."
}

say_what_next() {
  echo "Installed fleetd $installed_version as $TARGET."
  case ":${PATH:-}:" in
    *":$BIN:"*)
      found=$(command -v fleetd) || found=
      [ "$found" = "$TARGET" ] || echo "Warning: \"fleetd\" is still $found, which stands earlier on PATH." >&2
      ;;
    *)
      echo "Warning: $BIN is not on PATH. Add this line to the profile of your shell:" >&2
      echo "  export PATH=\"$BIN:\$PATH\"" >&2
      ;;
  esac
  [ "$QUICKSTART" = yes ] || echo "Go on with \"fleetd quickstart\", or see \"fleetd --help\"."
}

parse_flags "$@"
choose_target
if [ "$ACTION" = uninstall ]; then
  uninstall
  exit 0
fi
check_checkout
check_system
check_git
check_target
# shellcheck source=scripts/bootstrap.sh
. "$ROOT/scripts/bootstrap.sh"
ORIGINAL_PATH=$PATH
ensure_bun
install_packages
echo "Building fleetd" >&2
(cd "$ROOT" && "$BUN" scripts/build.ts --single) >&2 || stop 70 "Cannot build fleetd: see above."
PATH=$ORIGINAL_PATH
install_executable
say_what_next
if [ "$QUICKSTART" = yes ]; then
  exec "$TARGET" quickstart
fi
