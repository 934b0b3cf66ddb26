# Sourced: a workspace with an app's files, a target beside it, and this user's
# directories, all below $scratch; gone at the exit, with what was up.

for program in towline towline-agent; do
  command -v "$program" >/dev/null || { echo "$program is not on the PATH" >&2; exit 2; }
done

# Short, for a socket's path has no room for more.
scratch=$(mktemp -d /tmp/plain-XXXXXX)
mkdir -m 700 "$scratch/run"
mkdir "$scratch/home" "$scratch/shop" "$scratch/there"
export HOME=$scratch/home XDG_RUNTIME_DIR=$scratch/run
export XDG_CONFIG_HOME=$HOME/config XDG_STATE_HOME=$HOME/state
export XDG_DATA_HOME=$HOME/data XDG_CACHE_HOME=$HOME/cache
export TOWLINE_TEST_WORKSPACE=$scratch/shop TOWLINE_TEST_THERE=$scratch/there
git init -q "$scratch/shop"
printf 'one\ntwo\nthree\n' >"$scratch/shop/notes.txt"

end() {
  towline -C "$scratch/shop" down >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap end EXIT
