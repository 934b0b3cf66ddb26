#!/usr/bin/env bash
# The plain clients, one after another: installs them, runs each in a workspace of
# its own. `towline` and `towline-agent` are those of the PATH.
# usage: run.sh [DIR] [PART...]    DIR keeps what is installed between runs
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-${TMPDIR:-/tmp}/towline-plain}
shift || true
parts=("$@")
((${#parts[@]})) || parts=(emacs ale helix kakoune conformance)
python=$("$here/install.sh" "$dir")

in_sandbox() (
  source "$here/sandbox.sh"
  cd "$scratch/shop"
  timeout --kill-after=5 120 "$@"
)

failed=0
for part in "${parts[@]}"; do
  printf '\n=== %s\n' "$part"
  case $part in
    emacs) in_sandbox emacs --batch -l "$here/eglot.el" ;;
    ale) "$here/ale.sh" ;;
    helix | kakoune) in_sandbox "$python" "$here/replay.py" "$here/conversations/$part.json" ;;
    conformance)
      in_sandbox "$python" -m pytest -q -p no:cacheprovider --asyncio-mode=strict \
        -o asyncio_default_fixture_loop_scope=function \
        --rootdir="$here" "$here/conformance.py"
      ;;
    *) echo "there is no part $part" >&2 && exit 2 ;;
  esac || { failed=1 && printf '=== %s failed\n' "$part"; }
done
exit "$failed"
