#!/usr/bin/env bash
# The product in real editors, one after another, on what `cargo build --release` and
# `cargo agent-static` made: installs each editor into DIR, once.
# usage: run.sh [DIR] [PART...]     parts: nvim plain vscode
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${1:-$root/target/editors}
dir=$(mkdir -p "$dir" && cd "$dir" && pwd)
shift || true
parts=("$@")
((${#parts[@]})) || parts=(nvim plain vscode)
export PATH=$root/target/release:$PATH
for program in towline towline-agent; do
  [[ -x $root/target/release/$program ]] || { echo "$program is not built: cargo build --release" >&2; exit 2; }
done

for part in "${parts[@]}"; do
  printf '\n=== editors: %s\n' "$part"
  case $part in
    nvim) "$here/nvim/run.sh" "$dir/nvim" ;;
    plain) "$here/plain/run.sh" "$dir/plain" ;;
    vscode)
      (cd "$root/extension-vscode" && npm ci --no-audit --no-fund && npm run lint && npm test && npm run package)
      "$here/vscode/install.sh" "$dir/vscode"
      EDITORS=$dir/vscode SHOTS=$dir/shots node "$here/vscode/journey.mjs"
      EDITORS=$dir/vscode SHOTS=$dir/shots node "$here/vscode/restricted.mjs"
      ;;
    *) echo "there is no part $part" >&2 && exit 2 ;;
  esac
done
