#!/usr/bin/env bash
# Puts the plain clients onto this machine, once: Emacs with eglot, Vim with ALE,
# tmux by Debian's packages; pytest-lsp into a venv in DIR. Prints its Python.
# usage: install.sh DIR
set -euo pipefail

dir=$(mkdir -p "$1" && cd "$1" && pwd)

missing=()
for package in emacs-nox elpa-eglot vim-nox vim-ale tmux; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
if ((${#missing[@]})); then
  {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >&2
fi

ready=$dir/pytest-lsp-1.0.1
if [[ ! -e $ready ]]; then
  python3 -m venv "$dir/venv" >&2
  "$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    pytest-lsp==1.0.1 pytest-asyncio==1.5.0 >&2
  touch "$ready"
fi
echo "$dir/venv/bin/python"
