# The walls around the sandboxes of the scripted engine: Debian's bubblewrap, on user namespaces.
# Sourced, never run. Expects step.sh and engine.sh (for `need`).

# bubblewrap_up: ends with a bubblewrap that can make a sandbox, or with a sentence about why there is none.
bubblewrap_up() {
  need bubblewrap bwrap
  bwrap --unshare-user --unshare-all --uid 1000 --gid 1000 --ro-bind / / true ||
    fail "bubblewrap cannot make a sandbox here: the kernel has to allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
  say "   $(bwrap --version) makes a sandbox"
}
