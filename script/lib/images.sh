# The sandbox images: a Debian, the base on it, one image for each agent on that, the shim last.
# Sourced, never run. Expects step.sh and an engine that answers.
#
# Each image carries the hash of what it was made from in the label `deckhand.inputs`; an image whose hash is right
# is left alone, so a second run costs a few look-ups.

all_agents="goose claude codex gemini opencode"
node_version=22.23.3
npm_version=10.9.9
debian_release=bookworm
pull_wait_seconds=90
templates="$root/templates/images"

# images_up <agents...>: ends with deckhand-sandbox:<agent> for each, and deckhand-sandbox:base for work without one.
images_up() {
  local agent
  for agent in "$@"; do
    [ -f "$templates/agents/$agent/packages" ] || fail "no agent named $agent; there are: $all_agents"
  done
  # Builds borrow from the host here; nothing of it may stay behind, also when a build fails.
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/deckhand-images.XXXXXX")
  trap 'as_root rm -rf "$scratch"' EXIT
  base_image
  shim_program
  sandbox_image base deckhand-base:latest
  for agent in "$@"; do
    agent_image "$agent"
    sandbox_image "$agent" "deckhand-agent:$agent"
  done
  # Superseded images that no container uses any more.
  docker image prune --force --filter label=deckhand.inputs >/dev/null
}

# inputs_of <image>: the hash an image was made from, or nothing.
inputs_of() { docker image inspect --format '{{index .Config.Labels "deckhand.inputs"}}' "$1" 2>/dev/null || true; }

# hash_of <text or files on standard input>
hash_of() { sha256sum | cut -c1-16; }

node_arch() {
  case "$(uname -m)" in
    x86_64) echo x64 ;;
    aarch64) echo arm64 ;;
    *) fail "no Node.js package is known for a $(uname -m) machine" ;;
  esac
}

# build <name> <image> <Dockerfile> <context> <inputs> <build arguments...>
# The classic builder is named on purpose: it is in every engine, and it takes local images as a base. The host's
# network serves machines whose way out is a proxy on a loopback address.
build() {
  local name=$1 image=$2 file=$3 context=$4 inputs=$5; shift 5
  local options=(--network host --force-rm --file "$file" --tag "$image" --build-arg "INPUTS=$inputs") given
  for given in "$@"; do options+=(--build-arg "$given"); done
  for given in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    if [ -n "${!given:-}" ]; then options+=(--build-arg "$given"); fi
  done
  quietly "image-$name" "building $image" env DOCKER_BUILDKIT=0 docker build "${options[@]}" "$context"
  # What a thrown-away stage held (a download, the host's registry settings) goes with it.
  docker image prune --force --filter label=deckhand.stage >/dev/null
}

# find_certificates: sets `certificates` to the bundle that this host trusts.
find_certificates() {
  for certificates in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    if [ -f "$certificates" ]; then return; fi
  done
  fail "no bundle of certificates found; install ca-certificates"
}

# new_context: prints a folder with what the host lends a build, so that it reaches the registries that the host
# reaches: the certificates it trusts and its npm registry settings. Only stages that are thrown away see the settings.
new_context() {
  local context
  context=$(mktemp -d "$scratch/context.XXXXXX")
  mkdir "$context/host"
  cp "$certificates" "$context/host/certificates.pem"
  touch "$context/host/npmrc"
  if [ -f "$HOME/.npmrc" ]; then
    grep -E '(^|:)(registry|_auth|_authToken|username|_password)[[:space:]]*=' "$HOME/.npmrc" >"$context/host/npmrc" || true
  fi
  if [ -n "${NPM_CONFIG_REGISTRY:-}" ]; then echo "registry=$NPM_CONFIG_REGISTRY" >>"$context/host/npmrc"; fi
  echo "$context"
}

# debian_image: sets `debian` to the name of a Debian image, fetched or made.
debian_image() {
  local published="debian:$debian_release-slim" made="deckhand-debian:$debian_release"
  if [ -n "${DECKHAND_BASE_IMAGE:-}" ]; then debian="$DECKHAND_BASE_IMAGE"; return; fi
  local known
  for known in "$published" "$made"; do
    if docker image inspect "$known" >/dev/null 2>&1; then debian=$known; return; fi
  done
  say "   fetching $published from its registry"
  if timeout "$pull_wait_seconds" docker pull --quiet "$published" >/dev/null 2>&1; then debian=$published; return; fi
  say "   no registry answers: making a Debian with debootstrap instead"
  need debootstrap debootstrap
  quietly debootstrap "debootstrap $debian_release (half a minute)" debootstrap_image "$made"
  debian=$made
}

# debootstrap_image <image>: a minimal Debian from the mirrors that the host's own apt uses.
debootstrap_image() {
  local image=$1 folder sources mirror
  folder=$scratch/debian
  mkdir "$folder"
  sources=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' \
    | awk -v r="$debian_release" '$3 == "main" && ($2 == r || $2 == r "-updates" || $2 == r "-security") { print "deb", $1, $2, $3 }' | sort -u)
  mirror=$(awk -v r="$debian_release" '$3 == r { print $2; exit }' <<<"$sources")
  as_root debootstrap --variant=minbase --include=ca-certificates "$debian_release" "$folder" ${mirror:+"$mirror"}
  # The updates and security suites too: the browser is one of the packages that are only kept safe there.
  if [ -n "$mirror" ]; then as_root tee "$folder/etc/apt/sources.list" <<<"$sources"; fi
  as_root sh -c "rm -rf '$folder'/var/cache/apt/* '$folder'/var/lib/apt/lists/* && tar -C '$folder' -c ." | docker import - "$image"
}

base_image() {
  local debian context inputs
  find_certificates
  inputs=$({ cat "$templates/base.Dockerfile" "$certificates"; echo "$node_version $npm_version ${DECKHAND_BASE_IMAGE:-}"; } | hash_of)
  base_inputs=$inputs
  if [ "$(inputs_of deckhand-base:latest)" = "$inputs" ]; then say "   deckhand-base:latest is up to date"; return; fi
  debian_image
  context=$(new_context)
  build base deckhand-base:latest "$templates/base.Dockerfile" "$context" "$inputs" \
    "DEBIAN=$debian" "NODE_VERSION=$node_version" "NPM_VERSION=$npm_version" "NODE_ARCH=$(node_arch)"
}

agent_image() {
  local agent=$1 context inputs packages
  packages=$(sed 's/#.*//' "$templates/agents/$agent/packages" | xargs)
  inputs=$({ cat "$templates/agent.Dockerfile" "$templates/agents/$agent/"*; echo "$base_inputs"; } | hash_of)
  if [ "$(inputs_of "deckhand-agent:$agent")" = "$inputs" ]; then return; fi
  context=$(new_context)
  cp -r "$templates/agents/$agent" "$context/agent"
  build "agent-$agent" "deckhand-agent:$agent" "$templates/agent.Dockerfile" "$context" "$inputs" \
    "AGENT=$agent" "PACKAGES=$packages"
}

# shim_program: the static binary that every sandbox starts with. It has a target folder of its own because its flags
# differ from the workspace's, and a shared folder would be rebuilt each time they alternate.
shim_program() {
  shim="$root/target/shim/release/deckhand-shim"
  quietly shim "building the shim" env RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --manifest-path "$root/Cargo.toml" --release --package deckhand-shim --target-dir "$root/target/shim"
}

# registries_of <image>: the hosts that the image's package managers fetch from, separated by commas, as they say it
# themselves in a container without a network. The system's own packages are no part of it: a sandbox has a root that
# cannot be written. The network policy's preset `trusted` lets sandboxes read from these.
registries_of() {
  docker run --rm --network none --entrypoint sh "$1" -c '
    npm config get registry
    python3 -c "from pip._internal.models.index import PyPI as index; print(index.simple_url, \"https://\" + index.file_storage_domain, sep=\"\n\")"
    pip config get global.index-url
    true' 2>/dev/null | sed -nE 's#^https?://([^/@]*@)?([^/:]+(:[0-9]+)?).*#\2#p' | sort -u | paste -sd,
}

sandbox_image() {
  local name=$1 from=$2 context inputs
  inputs=$({ cat "$templates/sandbox.Dockerfile" "$shim"; inputs_of "$from"; } | hash_of)
  if [ "$(inputs_of "deckhand-sandbox:$name")" = "$inputs" ]; then say "   deckhand-sandbox:$name is up to date"; return; fi
  context=$(mktemp -d "$scratch/context.XXXXXX")
  install -m 0755 "$shim" "$context/shim"
  build "sandbox-$name" "deckhand-sandbox:$name" "$templates/sandbox.Dockerfile" "$context" "$inputs" "FROM_IMAGE=$from" \
    "REGISTRIES=$(registries_of "$from")"
}
