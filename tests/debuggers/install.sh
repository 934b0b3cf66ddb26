#!/usr/bin/env bash
# Installs the debug adapters that the suite `debug` needs into DIR (bin/, python/,
# js-debug/), each from a package registry by its ordinary client. Quick when all is there.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)

DEBUGPY=1.8.20 # the last one for Python 3.8 and 3.9
GDB=18.1.0.post1
DELVE=v1.27.2
JS_DEBUG=v1.117.0

if [[ ! -x $dir/bin/gdb || ! -d $dir/python/debugpy-$DEBUGPY.dist-info ]]; then
  # gdb's wheel is for CPython 3.11 with its library.
  python3 -m venv "$dir/gdb-venv"
  "$dir/gdb-venv/bin/pip" install --quiet --disable-pip-version-check "gdb-for-pwndbg==$GDB"
  rm -rf "$dir/python"
  "$dir/gdb-venv/bin/pip" install --quiet --disable-pip-version-check --target "$dir/python" "debugpy==$DEBUGPY"
  mkdir -p "$dir/bin"
  ln -sf ../gdb-venv/bin/gdb "$dir/bin/gdb"
fi

if [[ ! -x $dir/bin/dlv ]]; then
  GOBIN="$dir/bin" GOFLAGS=-mod=mod go install "github.com/go-delve/delve/cmd/dlv@$DELVE"
fi

if ! command -v lldb-dap-22 >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends lldb-22 >/dev/null
fi

# js-debug is published as sources only: TOWLINE_JS_DEBUG_SOURCE names a clone of them.
if [[ ! -f $dir/js-debug/src/dapDebugServer.js ]]; then
  source=${TOWLINE_JS_DEBUG_SOURCE:-}
  if [[ -z $source ]]; then
    source=$dir/js-debug-source
    git clone --quiet --depth 1 --branch "$JS_DEBUG" https://github.com/microsoft/vscode-js-debug "$source"
  fi
  (cd "$source" && npm ci --ignore-scripts --no-audit --no-fund --silent && npx gulp dapDebugServer >/dev/null)
  mkdir -p "$dir/js-debug"
  cp -r "$source/dist/." "$dir/js-debug/"
fi

"$dir/bin/gdb" --version | head -1
"$dir/bin/dlv" version | sed -n 2p
lldb-dap-22 --version 2>&1 | head -1
ls -d "$dir"/python/debugpy-*
