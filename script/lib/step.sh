# How the scripts speak: a heading and the elapsed seconds for each step, and the end of a step's log when it fails.
# Sourced, never run. Expects `root` (the checkout).

log_dir="$root/.deckhand/log"

# say <words>: one line to the person who watches.
say() { printf '%s\n' "$*"; }

# fail <words>: one line on the error stream, and the end.
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# have <program>: is it on the path?
have() { command -v "$1" >/dev/null 2>&1; }

# as_root <command...>: sudo only where it is needed.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else fail "this needs root, and there is no sudo: $*"; fi
}

# A command runs in a subshell of its own, outside any condition: inside one, bash ignores `set -e`, and a function that
# fails in its middle would count as done.

# step <title> <command...>: runs in the foreground with its output shown; the first failure ends the script.
step() {
  local title=$1 from=$SECONDS status; shift
  printf '\n== %s\n' "$title"
  set +e; ( set -e; "$@" ); status=$?; set -e
  [ "$status" = 0 ] || fail "$title failed after $((SECONDS - from)) s (command: $*)"
  printf -- '-- %s: %d s\n' "$title" "$((SECONDS - from))"
}

# quietly <name> <title> <command...>: for long work whose output only matters when it fails; it goes to a log.
quietly() {
  local name=$1 title=$2 from=$SECONDS status; shift 2
  mkdir -p "$log_dir"
  printf '   %s ... ' "$title"
  set +e; ( set -e; "$@" ) >"$log_dir/$name.log" 2>&1; status=$?; set -e
  if [ "$status" = 0 ]; then
    printf 'done, %d s\n' "$((SECONDS - from))"
  else
    printf 'failed after %d s\n' "$((SECONDS - from))"
    tail -n 25 "$log_dir/$name.log" >&2
    fail "$title; the whole output is in $log_dir/$name.log"
  fi
}

# free_mb <path>: what anybody may still write there, in MB.
free_mb() { df -Pk "$1" | awk 'NR == 2 { printf "%d", $4 / 1024 }'; }

# room <path> <MB> <what for>: says what is free, and ends where it is too little: a full disk shows itself as hours of
# failures that name everything but the disk.
room() {
  local free; free=$(free_mb "$1")
  say "   $free MB are free on the disk of $1"
  [ "$free" -ge "$2" ] || fail "$3 takes $2 MB of disk, and $free MB are free on the disk of $1. Make room and start again."
}
