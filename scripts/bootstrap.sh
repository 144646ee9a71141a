# shellcheck shell=sh
# What a checkout needs before any script of ours can run: Bun in the version of package.json, and the packages of
# bun.lock. Sourced by install.sh and scripts/test.sh, with ROOT set to the checkout. Needs git's shell and npm only.

# die CODE MESSAGE...: ends with an exit code of sysexits, and one line per message on stderr.
die() {
  die_code=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$die_code"
}

# The version after "bun@" in package.json, the only place where it stands.
wanted_bun_version() {
  sed -n 's/.*"packageManager": *"bun@\([^"]*\)".*/\1/p' "$ROOT/package.json"
}

# is_wanted_bun FILE: whether it runs, and is exactly the wanted version.
is_wanted_bun() {
  [ "$("$1" --version 2>/dev/null)" = "$(wanted_bun_version)" ]
}

# Prints the Bun to use, or fails: the one on PATH, npm's in .tools, or the executable npm unpacked for this machine
# (the link to it is made by an install script, which npm may be told not to run).
find_bun() {
  on_path=$(command -v bun) || on_path=
  for candidate in "$on_path" "$ROOT"/.tools/node_modules/.bin/bun "$ROOT"/.tools/node_modules/@oven/bun-*/bin/bun*; do
    if [ -n "$candidate" ] && [ -x "$candidate" ] && is_wanted_bun "$candidate"; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

install_bun() {
  version=$(wanted_bun_version)
  command -v npm >/dev/null || die 69 \
    "Cannot install Bun $version: no npm on PATH, one is needed." \
    "Install Node.js with npm, or Bun $version itself, and start again."
  echo "Installing Bun $version into .tools" >&2
  # npm takes a half or older installation for a whole one.
  rm -rf "$ROOT/.tools/node_modules" "$ROOT/.tools/package-lock.json"
  mkdir -p "$ROOT/.tools"
  # A project of its own: npm neither reads nor touches the package.json of the checkout.
  printf '{"private": true}\n' >"$ROOT/.tools/package.json"
  (cd "$ROOT/.tools" && npm install --ignore-scripts --no-audit --no-fund --save-exact "bun@$version") >&2 ||
    die 69 "Cannot install Bun $version: npm failed, see above."
  # Puts the executable of this machine where node_modules/.bin points to; find_bun knows the way without it, too.
  node "$ROOT/.tools/node_modules/bun/install.js" >&2 || echo "Bun's install script failed, going on without it" >&2
}

# Sets BUN and puts its folder first on PATH, so that scripts and tests find the same one.
ensure_bun() {
  if ! BUN=$(find_bun); then
    install_bun
    BUN=$(find_bun) || die 69 "Cannot run Bun $(wanted_bun_version): it was installed into .tools and does not start."
  fi
  PATH=$(dirname "$BUN"):$PATH
  export PATH
}

# Installs the packages of bun.lock, from wherever npm is configured to get them.
install_packages() {
  if command -v npm >/dev/null; then
    registry=$(cd "$ROOT" && npm config get registry 2>/dev/null) || registry=
    case $registry in
      http*)
        BUN_CONFIG_REGISTRY=$registry
        export BUN_CONFIG_REGISTRY
        ;;
    esac
  fi
  (cd "$ROOT" && "$BUN" install --frozen-lockfile) >&2 || die 69 "Cannot install the packages: bun failed, see above."
}
