#!/usr/bin/env bash
# The product in real editors, one after another, on what `cargo build --release` and
# `cargo agent-static` made, or on what is in TOWLINE_BIN_DIR: installs each editor into DIR,
# once. Where the journeys go is in the environment; each says what it takes.
# usage: run.sh [DIR] [PART...]     parts: nvim plain vscode
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${1:-$root/target/editors}
dir=$(mkdir -p "$dir" && cd "$dir" && pwd)
shift || true
parts=("$@")
((${#parts[@]})) || parts=(nvim plain vscode)
export TOWLINE_BIN_DIR=${TOWLINE_BIN_DIR:-$root/target/release}
export PATH=$TOWLINE_BIN_DIR:$PATH
for program in towline towline-agent; do
  [[ -x $TOWLINE_BIN_DIR/$program ]] || { echo "$program is not built: cargo build --release" >&2; exit 2; }
done

for part in "${parts[@]}"; do
  printf '\n=== editors: %s\n' "$part"
  case $part in
    nvim) "$here/nvim/run.sh" "$dir/nvim" ;;
    plain) "$here/plain/run.sh" "$dir/plain" ;;
    vscode)
      (cd "$root/extension-vscode" && npm ci --no-audit --no-fund && npm run lint && npm test && npm run package)
      "$here/vscode/install.sh" "$dir/vscode"
      export EDITORS=$dir/vscode SHOTS=${SHOTS:-$dir/shots}
      node "$here/vscode/journey.mjs"
      node "$here/vscode/restricted.mjs"
      ;;
    *) echo "there is no part $part" >&2 && exit 2 ;;
  esac
done
