#!/bin/sh
# with-engine.sh COMMAND...: runs COMMAND beside a container engine of its own and ends with its exit code.
#
# The engine is Docker's: the one that is installed, else Debian's packages, unpacked below .tools (or FLEETD_LAB) once.
# Command and engine share namespaces that nobody else is in (network, mounts, processes), so nothing of this machine
# is changed, and everything ends with this script, however that ends. The command finds the engine by DOCKER_HOST, and
# a static busybox to make images of by FLEETD_BUSYBOX. Where this cannot be done: one line that says why, and 69.
set -eu

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
CACHE=${FLEETD_LAB:-$HERE/../../../.tools/lab}/docker
STARTS_WITHIN_S=60

unavailable() {
  echo "$1" >&2
  exit 69
}

# The group that the engine makes for its containers outlives it: groups are no part of a namespace.
engine_groups() { find /sys/fs/cgroup -maxdepth 3 -type d -name docker 2>/dev/null || true; }

prepare() {
  [ "$(uname -s)" = Linux ] || unavailable "Linux is needed"
  [ "$(id -u)" = 0 ] || unavailable "root is needed"
  command -v unshare >/dev/null || unavailable "unshare is not installed"
  command -v ip >/dev/null || unavailable "ip (iproute2) is not installed"
  if command -v dockerd >/dev/null && command -v containerd >/dev/null && command -v runc >/dev/null; then
    sh "$HERE/../fetch-packages.sh" "$CACHE" busybox-static
  else
    sh "$HERE/../fetch-packages.sh" "$CACHE" \
      busybox-static docker.io containerd runc libdevmapper1.02.1 libseccomp2 libsystemd0
  fi
}

run_engine() {
  libraries=$(find "$CACHE" -type d -path '*/lib/*-linux-gnu' | tr '\n' ':')
  PATH="$PATH:$CACHE/usr/sbin:$CACHE/usr/bin:$CACHE/sbin" LD_LIBRARY_PATH="$libraries" exec dockerd \
    --config-file "$work/daemon.json" --data-root "$work/data" --exec-root "$work/run" \
    --pidfile "$work/pid" --host "unix://$work/engine.sock" --storage-driver vfs \
    --iptables=false --ip6tables=false --ip-forward=false
}

start_engine() {
  echo '{}' >"$work/daemon.json"
  run_engine >"$work/log" 2>&1 &
  engine=$!
  looks=0
  until grep -q 'API listen on' "$work/log"; do
    looks=$((looks + 1))
    if ! kill -0 "$engine" 2>/dev/null || [ "$looks" -gt $((STARTS_WITHIN_S * 10)) ]; then
      unavailable "the engine does not start: $(tail -n 1 "$work/log")"
    fi
    sleep 0.1
  done
}

end_engine() {
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
}

if [ "${FLEETD_ENGINE_FOLDER:-}" = "" ]; then
  [ $# -gt 0 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
  prepare
  before=$(engine_groups)
  FLEETD_ENGINE_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/fleetd-engine-XXXXXX")
  export FLEETD_ENGINE_FOLDER
  status=0
  unshare --mount --net --pid --fork --kill-child --mount-proc sh "$0" "$@" || status=$?
  rm -rf "$FLEETD_ENGINE_FOLDER"
  [ "$before" != "" ] || engine_groups | while read -r group; do rmdir "$group" 2>/dev/null || true; done
  exit $status
fi

# From here on the namespaces are our own.
work=$FLEETD_ENGINE_FOLDER
unset FLEETD_ENGINE_FOLDER
engine=
ip link set lo up
start_engine
status=0
busybox=$(find "$CACHE" -type f -path '*/bin/busybox' | head -n 1)
DOCKER_HOST="unix://$work/engine.sock" FLEETD_BUSYBOX=$busybox "$@" || status=$?
end_engine
exit $status
