# A PostgreSQL for the tests: Debian's package, and a private server that lives as long as the tests do.
# Sourced, never run. Expects step.sh and engine.sh (for `need`).

# postgres_programs: prints the folder of the newest server's programs, or nothing.
postgres_programs() { find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1 | xargs -r dirname; }

# postgres_programs_up: ends with the programs there. The package would make and start a server of its own; it does not here.
postgres_programs_up() {
  if [ -z "$(postgres_programs)" ]; then
    need postgresql-common pg_createcluster
    local without=/etc/postgresql-common/createcluster.d/deckhand-tests.conf
    as_root mkdir -p "$(dirname "$without")"
    echo 'create_main_cluster = false' | as_root tee "$without" >/dev/null
    need postgresql pg_no_such_program
    as_root rm -f "$without"
  fi
  [ -n "$(postgres_programs)" ] || fail "no PostgreSQL server below /usr/lib/postgresql: install the package postgresql"
  say "   programs of $("$(postgres_programs)/postgres" --version)"
}

# as_postgres <command...>: the server refuses to run as root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi
}

# with_postgres <command...>: runs the command beside a fresh server on a socket of its own, then takes the server away.
# DECKHAND_TEST_POSTGRES names a server that is there already; then that one is used and left as it is.
with_postgres() {
  if [ -z "${DECKHAND_TEST_POSTGRES:-}" ]; then
    postgres_folder=$(mktemp -d "${TMPDIR:-/tmp}/deckhand-postgres.XXXXXX")
    trap postgres_down EXIT
    if [ "$(id -u)" = 0 ]; then chown postgres "$postgres_folder"; fi
    # No port: nobody else can reach it. What is tested is not the disk.
    quietly postgres "starting a private PostgreSQL in $postgres_folder" postgres_begin
    export DECKHAND_TEST_POSTGRES="postgres://deckhand@localhost/postgres?host=$postgres_folder"
  fi
  "$@"
}

postgres_begin() {
  cd "$postgres_folder"
  as_postgres "$(postgres_programs)/initdb" -D "$postgres_folder/data" --no-sync --auth=trust --encoding=UTF8 --username=deckhand
  as_postgres "$(postgres_programs)/pg_ctl" -D "$postgres_folder/data" -l "$postgres_folder/log" -w \
    -o "-c listen_addresses= -c unix_socket_directories=$postgres_folder -c fsync=off -c max_connections=300" start
}

postgres_down() {
  say "   stopping the private PostgreSQL"
  as_postgres "$(postgres_programs)/pg_ctl" -D "$postgres_folder/data" -m immediate stop >/dev/null 2>&1 || true
  as_root rm -rf "$postgres_folder"
}
