" What a user of Vim with ALE adds to their vimrc: one linter. The last lines are
" the test's: a way to send a command and to keep its answer.

set nocompatible noswapfile hidden autoread
set runtimepath^=/usr/share/vim-ale
filetype plugin on
let g:ale_virtualtext_cursor = 0
let g:ale_linters = {'text': ['towline']}
runtime plugin/ale.vim

function! TowlineRoot(buffer) abort
  let l:mark = findfile('towline.yaml', expand('#' . a:buffer . ':p:h') . ';')
  let l:git = finddir('.git', expand('#' . a:buffer . ':p:h') . ';')
  return fnamemodify(empty(l:mark) ? l:git : l:mark, ':p:s?/$??:h')
endfunction

call ale#linter#Define('text', {
\   'name': 'towline',
\   'lsp': 'stdio',
\   'executable': 'towline',
\   'command': '%e lsp',
\   'project_root': function('TowlineRoot'),
\})

" :Towline up {"target": "local:../there"}
command! -nargs=+ Towline call TowlineExecute(<f-args>)

function! TowlineExecute(verb, ...) abort
  let l:argument = a:0 ? json_decode(join(a:000)) : {}
  let l:params = {'command': 'towline.' . a:verb, 'arguments': [l:argument]}
  call ale#lsp_linter#SendRequest(bufnr(''), 'towline',
  \   [0, 'workspace/executeCommand', l:params],
  \   {answer -> writefile([json_encode(answer)], $TOWLINE_TEST_ANSWERS . '/' . a:verb)})
endfunction
