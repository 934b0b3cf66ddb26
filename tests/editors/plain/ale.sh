#!/usr/bin/env bash
# The core of the journey in Vim with ALE, typed into a terminal of tmux. Waits for
# what the screen or the disk shows.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/sandbox.sh"
export TOWLINE_TEST_ANSWERS=$scratch/answers
mkdir "$TOWLINE_TEST_ANSWERS"

screen=(tmux -L "towline-$$" -f /dev/null)
passed=0

end_all() {
  "${screen[@]}" kill-server 2>/dev/null || true
  end
}
trap end_all EXIT

shown() { "${screen[@]}" capture-pane -p -t 0; }
type_keys() { "${screen[@]}" send-keys -t 0 "$@"; }

# Passes the check NAME once COMMAND succeeds.
eventually() { # NAME COMMAND...
  local name=$1 deadline=$((SECONDS + 20))
  shift
  until "$@"; do
    if ((SECONDS > deadline)); then
      printf 'FAIL  %s\n--- the screen\n' "$name"
      shown
      printf '%s\n' '--- answers'
      tail -n +1 "$TOWLINE_TEST_ANSWERS"/* 2>/dev/null || true
      printf '\n%d passed, 1 failed\n' "$passed"
      exit 1
    fi
    # A look at the screen costs processes: a pause between two looks, no wait for time.
    read -rt 0.05 <> <(:) || true
  done
  passed=$((passed + 1))
  printf 'ok    %s\n' "$name"
}

shows() { shown | grep -qE "$1"; }
shows_not() { ! shows "$1"; }
holds() { [[ -f $1 && $(cat "$1") == "$2" ]]; }
answered() { grep -qE "$2" "$TOWLINE_TEST_ANSWERS/$1" 2>/dev/null; }

# Runs `:Towline VERB [JSON]` and waits for an answer that matches.
execute() { # VERB PATTERN [JSON]
  rm -f "$TOWLINE_TEST_ANSWERS/$1"
  type_keys Escape ":Towline $1 ${3:-}" Enter
  eventually "towline.$1 answers" answered "$1" "$2"
}

cd "$scratch/shop"
"${screen[@]}" new-session -d -x 100 -y 30 "vim -u $here/ale.vim notes.txt"
eventually "the file is shown" shows '^ *three'

started() { type_keys Escape ":Towline status" Enter && answered status jsonrpc; }
eventually "the server runs" started
execute up '"state": ?"ready"' "{\"target\": \"local:$scratch/there\", \"sync\": [\".:/app\"]}"
eventually "what is here is there" holds "$scratch/there/app/notes.txt" $'one\ntwo\nthree'

type_keys Escape Go four Escape ':w' Enter
eventually "a saved file arrives" holds "$scratch/there/app/notes.txt" $'one\ntwo\nthree\nfour'

execute sync.wait result
execute sync.pause result
printf 'one\nmine\nthree\n' >notes.txt
printf 'one\ntheirs\nthree\n' >"$scratch/there/app/notes.txt"
type_keys Escape ':edit!' Enter
execute sync.resume result
eventually "a conflict has a sign in the line that differs" shows '^(E>|>>|--) ?mine'
type_keys Escape 2G
eventually "its message is shown" shows 'in conflict'
echo '--- the screen'
shown | sed -n '1,4p;28,30p'

chosen() {
  type_keys Escape ':ALECodeAction' Enter
  local deadline=$((SECONDS + 5))
  until shows '[Kk]eep mine'; do ((SECONDS < deadline)) || return 1; done
}
eventually "there is a code action that keeps mine" chosen
number=$(shown | grep -oE '[0-9]+[).:]+ .*[Kk]eep mine' | grep -oE '^[0-9]+' | head -1)
type_keys "$number" Enter
eventually "the code action keeps mine" holds "$scratch/there/app/notes.txt" $'one\nmine\nthree'
type_keys Enter Escape
eventually "the sign is gone" shows_not '^(E>|>>|--) ?mine'
execute down '"ended"'
type_keys Escape ':qa!' Enter
printf '\n%d passed, 0 failed\n' "$passed"
