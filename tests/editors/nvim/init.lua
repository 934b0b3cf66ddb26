-- What a user's init.lua would hold: our folder on the runtimepath, nothing else.

local here = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))

vim.opt.runtimepath:prepend(vim.fs.normalize(here .. "/../../../lsp/nvim"))
vim.o.swapfile = false
