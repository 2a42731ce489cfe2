# The Rust toolchain and the programs that the checks use.
# Sourced, never run. Expects step.sh and, for what is missing, engine.sh's `need`.

tools="$root/.deckhand/tools"
cargo_deny_version=0.20.2

# rust_up: cargo with rustfmt and clippy, and a C compiler for the crates that build C.
rust_up() {
  need build-essential cc
  need pkg-config pkg-config
  if ! have cargo; then
    need curl curl
    quietly rustup "installing Rust by rustup" rustup_install
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  fi
  local component
  for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || quietly "rust-$component" "adding cargo $component" \
      rustup component add "$([ "$component" = fmt ] && echo rustfmt || echo clippy)"
  done
  say "   $(cargo --version)"
}

rustup_install() {
  curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs | sh -s -- -y --profile minimal
}

# deny_up: cargo-deny, from the path or built once into the checkout's own folder.
deny_up() {
  if have cargo-deny; then deny=$(command -v cargo-deny); return; fi
  deny="$tools/bin/cargo-deny"
  if [ -x "$deny" ] && [ "$("$deny" --version)" = "cargo-deny $cargo_deny_version" ]; then return; fi
  quietly cargo-deny "building cargo-deny $cargo_deny_version (once, some minutes)" \
    cargo install --quiet --locked "cargo-deny@$cargo_deny_version" --root "$tools" --target-dir "$root/target/tools"
  # Its build folder is half a gigabyte that nothing needs again.
  rm -rf "$root/target/tools"
}

# dependencies: licences, sources and bans always; advisories when their database can be fetched.
dependencies() {
  deny_up
  cd "$root" || return
  "$deny" --workspace check --hide-inclusion-graph bans licenses sources
  if timeout 60 "$deny" fetch db >"$log_dir/advisories.log" 2>&1; then
    "$deny" --workspace check --disable-fetch advisories
  else
    say "   NOT CHECKED: advisories. Their database could not be fetched ($log_dir/advisories.log)."
  fi
}

# tests: the whole workspace, real containers included. The runner's summary is kept, to be the last thing said.
tests() {
  cd "$root" || return
  if cargo nextest --version >/dev/null 2>&1; then
    cargo test --workspace --doc --quiet
    # Stories wait about as long as they compute: half as many again as there are processors keep those busy.
    local at_once; at_once=$(( ($(nproc) * 3 + 1) / 2 ))
    NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-$at_once} cargo nextest run --workspace 2>&1 | tee "$log_dir/tests.log"
  else
    cargo test --workspace 2>&1 | tee "$log_dir/tests.log"
  fi
}

# attacks: every row of the attack suite; the table of those that were held stays in the log.
attacks() {
  cd "$root" || return
  if ! cargo test --quiet --workspace --test attack -- run >"$log_dir/attacks.log" 2>&1; then
    grep -E -A1 '^(SUCCEEDED|NOT MADE|FOUND|error|the suite)' "$log_dir/attacks.log" >&2 || tail -n 25 "$log_dir/attacks.log" >&2
    fail "an attack was not held; the whole table is in $log_dir/attacks.log"
  fi
  tail -n 2 "$log_dir/attacks.log"
}

tests_summary() { grep -E '^ *Summary \[|^test result: ' "$log_dir/tests.log"; }
