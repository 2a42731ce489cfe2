# The two Bolt apps that `script/bench intake` measures beside Deckhand, each with its pinned packages in .deckhand/bolt.
# Sourced, never run. Expects step.sh and engine.sh's `need`.

bolt="$root/.deckhand/bolt"

# bolt_up: both are installed, once for each change of what is pinned.
bolt_up() {
  local app
  need nodejs node
  need npm npm
  need python3 python3
  need python3-venv python3
  node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || fail "Bolt for JavaScript needs Node.js 20; this is $(node --version)"
  mkdir -p "$bolt"
  for app in app.js app.py; do cp "$root/tests/world/fixtures/bolt/$app" "$bolt/"; done
  if ! cmp -s "$root/tests/world/fixtures/bolt/package.json" "$bolt/package.json" || [ ! -d "$bolt/node_modules/@slack/bolt" ]; then
    cp "$root/tests/world/fixtures/bolt/package.json" "$bolt/"
    quietly bolt-js "installing Bolt for JavaScript" npm --prefix "$bolt" install --omit=dev --no-audit --no-fund --no-package-lock
  fi
  if ! cmp -s "$root/tests/world/fixtures/bolt/requirements.txt" "$bolt/requirements.txt" || [ ! -x "$bolt/venv/bin/python" ]; then
    quietly bolt-venv "making a Python environment" python3 -m venv --clear "$bolt/venv"
    quietly bolt-python "installing Bolt for Python" "$bolt/venv/bin/pip" install --quiet -r "$root/tests/world/fixtures/bolt/requirements.txt"
    cp "$root/tests/world/fixtures/bolt/requirements.txt" "$bolt/"
  fi
}
