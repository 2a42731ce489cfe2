# Slack's own clients, with their pinned packages: the two Bolt apps that `script/bench intake` and its test measure beside
# Deckhand in .deckhand/bolt, and the clients that the tests of the Slack stand-in run in .deckhand/slack-clients.
# Sourced, never run. Expects step.sh and engine.sh's `need`.

bolt="$root/.deckhand/bolt"
slack_clients="$root/.deckhand/slack-clients"

# node_up: a Node.js that Slack's packages run on.
node_up() {
  need nodejs node
  need npm npm
  node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || fail "Slack's packages need Node.js 20; this is $(node --version)"
}

# packages_up <name> <title> <folder> <package.json>: what is pinned there is installed, once for each change of it.
packages_up() {
  local name=$1 title=$2 folder=$3 pinned=$4
  mkdir -p "$folder"
  if ! cmp -s "$pinned" "$folder/package.json" || [ ! -d "$folder/node_modules/@slack/bolt" ]; then
    rm -f "$folder/package.json"
    cp "$pinned" "$folder/wanted.json"
    quietly "$name" "installing $title" install_packages "$folder"
  fi
}

# install_packages <folder>: what is wanted counts as installed only when all of it is there.
install_packages() {
  cp "$1/wanted.json" "$1/package.json"
  npm --prefix "$1" install --omit=dev --no-audit --no-fund --no-package-lock || { rm -f "$1/package.json"; return 1; }
}

# slack_clients_up: the clients that the tests of the Slack stand-in run.
slack_clients_up() {
  node_up
  packages_up slack-clients "Slack's clients for JavaScript" "$slack_clients" "$root/tests/world/fixtures/slack-clients/package.json"
  say "   $(node --version) with Slack's clients in $slack_clients"
}

# bolt_up: both apps are installed.
bolt_up() {
  local app
  node_up
  need python3 python3
  need python3-venv python3
  mkdir -p "$bolt"
  for app in app.js app.py; do cp "$root/tests/world/fixtures/bolt/$app" "$bolt/"; done
  packages_up bolt-js "Bolt for JavaScript" "$bolt" "$root/tests/world/fixtures/bolt/package.json"
  if ! cmp -s "$root/tests/world/fixtures/bolt/requirements.txt" "$bolt/requirements.txt" || [ ! -x "$bolt/venv/bin/python" ]; then
    quietly bolt-venv "making a Python environment" python3 -m venv --clear "$bolt/venv"
    quietly bolt-python "installing Bolt for Python" "$bolt/venv/bin/pip" install --quiet -r "$root/tests/world/fixtures/bolt/requirements.txt"
    cp "$root/tests/world/fixtures/bolt/requirements.txt" "$bolt/"
  fi
}
