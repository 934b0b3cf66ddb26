-- A directory without any mark of a workspace: nothing runs for it until something is
-- up there, then its buffers are attached; relative paths are the working directory's.

local check = require("check")

local root = assert(vim.uv.fs_realpath(vim.env.TOWLINE_TEST_BARE))
vim.fn.mkdir(root .. "/target", "p")
vim.fn.mkdir(root .. "/source", "p")
vim.fn.writefile({ "bare" }, root .. "/source/a.txt")
local before = vim.fn.getcwd()
vim.cmd.cd(root .. "/source")
vim.cmd.edit("a.txt")
check.same("a file of no workspace has no server", vim.lsp.get_clients({ bufnr = 0 }), {})
check.same("nor a statusline", require("towline").statusline(), "")

vim.cmd("Towline status")
check.that("the status says so", vim.api.nvim_get_current_line():find("nothing is up"))
vim.cmd.close()

local from = #check.said + 1
vim.cmd("Towline up local:../target --sync .:/app")
check.hears("it is brought up", "up, ", from)
check.eventually("its buffer is attached", function()
  return #vim.lsp.get_clients({ name = "towline", bufnr = 0 }) == 1
end)
check.eventually("and has a statusline", function()
  return require("towline").statusline():find("local:target")
end)
check.same(
  "relative paths were those of the working directory",
  vim.fn.readfile(root .. "/target/app/a.txt"),
  { "bare" }
)

from = #check.said + 1
vim.cmd("Towline down")
check.hears("it goes down", "towline: down", from)
check.eventually("nothing is up", function()
  return require("towline").statusline() == "towline: not up"
end)
vim.cmd.bwipeout()
vim.cmd.cd(before)
