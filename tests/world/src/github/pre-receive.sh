#!/bin/sh
# What GitHub refuses, in the order in which it looks. Runs in the bare repository.
if [ -f world-refusal ]; then
  echo "error: $(cat world-refusal)" >&2
  exit 1
fi
none=0000000000000000000000000000000000000000
while read -r old new ref; do
  case "$ref" in
    refs/pull/*)
      echo "error: refusing to update hidden ref '$ref'" >&2
      exit 1 ;;
  esac
  branch=${ref#refs/heads/}
  if [ -f world-protected ] && grep -qxF "$branch" world-protected; then
    echo "error: GH006: Protected branch update failed for $ref." >&2
    echo "error: Changes must be made through a pull request." >&2
    exit 1
  fi
  if [ "$WORLD_WORKFLOWS" = refused ] && [ "$new" != "$none" ]; then
    from=$old
    [ "$from" = "$none" ] && from=$(git merge-base main "$new" 2>/dev/null || git hash-object -t tree /dev/null)
    file=$(git diff --name-only "$from" "$new" -- .github/workflows | head -n 1)
    if [ -n "$file" ]; then
      echo "error: refusing to allow a GitHub App to create or update workflow \`$file\` without \`workflows\` permission" >&2
      exit 1
    fi
  fi
done
