# A container engine that answers: installs what is missing from the distribution, starts the engine where none runs.
# Sourced, never run. Expects step.sh.

engine_wait_seconds=60

# need <package> <program>: installs a Debian package unless its program is there.
need() {
  have "$2" && return 0
  have apt-get || fail "$2 is missing, and this is no Debian: please install it"
  if [ -z "${apt_is_fresh:-}" ]; then
    quietly apt-update "refreshing the package lists" as_root apt-get update -q
    apt_is_fresh=yes
  fi
  quietly "apt-$1" "installing $1" \
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$1"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# engine_up: ends with an engine that answers, or with a sentence about why there is none.
engine_up() {
  need docker.io docker
  need git git
  need util-linux flock
  need curl curl
  if ! engine_answers; then
    if [ -n "${DOCKER_HOST:-}" ]; then fail "DOCKER_HOST is $DOCKER_HOST, and nothing answers there"; fi
    # A client alone may be installed from elsewhere, and Debian keeps the init program for `init: true` in docker.io.
    need docker.io dockerd
    engine_start
  fi
  say "   engine $(docker version --format '{{.Server.Version}}') answers, storage $(docker info --format '{{.Driver}}')"
}

engine_start() {
  if [ -e /var/run/docker.sock ] && pgrep -x dockerd >/dev/null 2>&1; then
    engine_answers_soon || fail "an engine runs but does not answer you: add yourself to the group docker (sudo usermod -aG docker $(id -un)) and log in again"
    return
  fi
  if [ -d /run/systemd/system ]; then
    quietly engine "starting the engine by systemd" as_root systemctl start docker
    engine_answers_soon || fail "docker.service runs but does not answer you: add yourself to the group docker (sudo usermod -aG docker $(id -un)) and log in again"
    return
  fi
  # A machine without a service manager, a container for one: the engine is started by hand and stays.
  if ! grep -q ' /sys/fs/cgroup' /proc/mounts; then
    need cgroupfs-mount cgroupfs-mount
    as_root cgroupfs-mount
  fi
  engine_spawn || engine_spawn --iptables=false --ip6tables=false --bridge=none \
    || fail "the engine did not start; its last words are in $log_dir/dockerd.log"
}

# engine_spawn <options...>: one attempt. Sandboxes have no network at all and images are built on the host's, so an
# engine that may not touch the firewall serves as well.
engine_spawn() {
  mkdir -p "$log_dir"
  say "   starting the engine: dockerd $*"
  # The lock of the set-up (descriptor 9) must not live on in a process that stays.
  as_root setsid nohup dockerd --group "$(id -g)" "$@" >"$log_dir/dockerd.log" 2>&1 </dev/null 9>&- &
  local spawned=$!
  local until=$((SECONDS + engine_wait_seconds))
  while [ "$SECONDS" -lt "$until" ]; do
    engine_answers && return 0
    kill -0 "$spawned" 2>/dev/null || pgrep -x dockerd >/dev/null 2>&1 || break
    sleep 0.5
  done
  engine_answers && return 0
  tail -n 3 "$log_dir/dockerd.log" >&2
  as_root kill "$spawned" 2>/dev/null || true
  return 1
}

engine_answers_soon() {
  local until=$((SECONDS + 10))
  while [ "$SECONDS" -lt "$until" ]; do engine_answers && return 0; sleep 0.5; done
  return 1
}
