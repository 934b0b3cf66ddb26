#!/usr/bin/env bash
# The layout of all Lua, as lsp/nvim/.stylua.toml has it: puts StyLua into DIR, once.
# usage: style.sh DIR [--fix]
set -euo pipefail

version=2.5.2
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "$1" && cd "$1" && pwd)
check=--check
[[ ${2:-} == --fix ]] && check=

stylua=$dir/stylua-$version/node_modules/.bin/stylua
[[ -x $stylua ]] ||
  npm install --silent --no-audit --no-fund --prefix "$dir/stylua-$version" "@johnnymorganz/stylua-bin@$version" >&2
lua=$here/../../../lsp/nvim
"$stylua" $check --config-path "$lua/.stylua.toml" "$lua" "$here"
