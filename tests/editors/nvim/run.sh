#!/usr/bin/env bash
# The layout of the Lua, then the journey in a real Neovim: installs it, makes a workspace and a target, runs
# the test files inside. `towline` and `towline-agent` are those of the PATH.
#
# usage: run.sh [DIR]     DIR keeps the Neovim between runs
#
# TOWLINE_TEST_TARGET     a target other than a new directory, as `up` takes it
# TOWLINE_TEST_PICKS      what is picked on the way there: CONTEXT,NAMESPACE,WORKLOAD[,CONTAINER]
# TOWLINE_TEST_PLACE      the synced directory there [/app]
# TOWLINE_TEST_APP        the app there, without its port [python3 app.py]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
for program in towline towline-agent; do
  command -v "$program" >/dev/null || { echo "$program is not on the PATH" >&2; exit 2; }
done
dir=${1:-${TMPDIR:-/tmp}/towline-nvim}
"$here/style.sh" "$dir"
nvim=$("$here/install.sh" "$dir")

# Short, for a socket's path has no room for more.
scratch=$(mktemp -d /tmp/nvim-XXXXXX)
mkdir -m 700 "$scratch/run"
mkdir -p "$scratch/home" "$scratch/shop" "$scratch/there/tmp" "$scratch/bare"
export HOME=$scratch/home XDG_RUNTIME_DIR=$scratch/run
export XDG_CONFIG_HOME=$HOME/config XDG_STATE_HOME=$HOME/state
export XDG_DATA_HOME=$HOME/data XDG_CACHE_HOME=$HOME/cache
export TOWLINE_TEST_WORKSPACE=$scratch/shop
export TOWLINE_TEST_THERE=$scratch/there TOWLINE_TEST_BARE=$scratch/bare
export SHELL=/bin/sh

end() {
  for workspace in shop bare/source; do
    towline -C "$scratch/$workspace" down >/dev/null 2>&1 || true
  done
  rm -rf "$scratch"
}
trap end EXIT

cd "$scratch/shop"
# The checks have patience of their own; this is for a Neovim that hangs.
timeout --kill-after=5 300 "$nvim" --headless --clean -u "$here/init.lua" -S "$here/main.lua"
