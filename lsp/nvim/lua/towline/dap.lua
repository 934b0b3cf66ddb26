-- Hooks for debuggers: how `towline dap` is started. Knows no DAP client.

local settings = require("towline.settings")

local M = {}

--- Whether this `towline` has a debugger.
---@return boolean
function M.available()
  if vim.fn.executable(settings.binary) == 0 then
    return false
  end
  return vim.system({ settings.binary, "dap", "--help" }):wait().code == 0
end

--- How a DAP client starts it, in the shape that nvim-dap takes.
---@return table? adapter
---@return string? problem
function M.adapter()
  if not M.available() then
    return nil, ("this `%s` has no `dap`"):format(settings.binary)
  end
  local workspace = require("towline.status").workspace(require("towline.client").root())
  return { type = "executable", command = settings.binary, args = { "-C", workspace, "dap" } }
end

return M
