#!/bin/sh
# fetch-packages.sh FOLDER PACKAGE...: unpacks packages of this Debian below FOLDER, each once. Nothing is installed, no
# daemon starts, and no root is needed. Where it cannot be done: one line that says why, and 69.
set -eu

folder=$1
shift

unavailable() {
  echo "$1" >&2
  exit 69
}

download() { timeout 300 apt-get -qq download "$1" >/dev/null 2>&1; }

for package in "$@"; do
  [ ! -e "$folder/.fetched/$package" ] || continue
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    unavailable "$package is not installed, and this system has no apt-get to fetch it"
  work=$(mktemp -d "${TMPDIR:-/tmp}/fleetd-fetch-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # The lists of packages may be missing or old, and only root may renew them.
  (cd "$work" && { download "$package" || { timeout 300 apt-get -qq update >/dev/null 2>&1 && download "$package"; }; }) ||
    unavailable "$package cannot be fetched with apt-get"
  mkdir -p "$folder/.fetched"
  dpkg-deb -x "$work"/*.deb "$folder"
  rm -rf "$work"
  : >"$folder/.fetched/$package"
done
# Links into a root file system that this folder is none of.
[ ! -d "$folder" ] || find "$folder" -xtype l -delete
