-- Every setting does what it says: each is set here, and what it changes is looked at.

local check = require("check")
local world = require("world")

local towline, settings = require("towline"), require("towline.settings")

local before, used = vim.deepcopy(settings), {}

--- Sets one, looks, and puts it back.
local function with(name, value, look)
  used[name] = true
  towline.setup({ [name] = value })
  look()
  towline.setup({ [name] = before[name] })
end

vim.fn.mkdir(world.workspace .. "/.git", "p")

--- A new file of the workspace, attached.
local function attached(name)
  vim.cmd.edit(world.workspace .. "/" .. name)
  check.eventually(name .. " is attached", function()
    return vim.lsp.get_clients({ name = "towline", bufnr = 0 })[1]
  end)
end

with("binary", "no-such-program", function()
  local from = #check.said + 1
  vim.cmd("Towline restart")
  check.hears("another program is started", "`no%-such%-program` is no program", from)
end)

with("enable", false, function()
  check.that("the server does not start by itself", not vim.lsp.is_enabled("towline"))
end)
check.that("and does again", vim.lsp.is_enabled("towline"))

with("keys", false, function()
  attached("keys.txt")
  check.same("]x is not mapped", vim.fn.maparg("]x", "n"), "")
end)
attached("more-keys.txt")
check.eventually("it is where it may be", function()
  return vim.fn.maparg("]x", "n") ~= ""
end)

local function has_lenses()
  local group = "towline.lens." .. vim.api.nvim_get_current_buf()
  return (pcall(vim.api.nvim_get_autocmds, { group = group }))
end
with("codelens", false, function()
  attached("lens.txt")
  check.that("lenses are not asked for", not has_lenses())
end)
attached("more-lens.txt")
check.eventually("they are where they are wanted", function()
  return vim.lsp.codelens.enable or has_lenses()
end)

with("terminal", "tabnew", function()
  local tabs = vim.fn.tabpagenr("$")
  vim.cmd("Towline doctor")
  check.same("a terminal opens where it is to", vim.fn.tabpagenr("$"), tabs + 1)
  check.eventually("doctor ends", function()
    local lines = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
    return lines:find("Process exited"), lines
  end)
  vim.cmd.bwipeout({ bang = true })
end)

check.same(
  "every setting was used",
  used,
  vim.tbl_map(function()
    return true
  end, before)
)
for _, name in ipairs({ "keys", "more-keys", "lens", "more-lens" }) do
  vim.cmd.bwipeout(vim.fn.bufnr(name .. ".txt"))
end
