-- What other Lua may call: set up, show in a statusline, hook up a debugger.
-- Owns nothing; each function says which file does.

local settings = require("towline.settings")

local M = {}

--- Changes settings; see lua/towline/settings.lua for what there is. Not needed
--- when all of them are right.
---@param options? { binary?: string, enable?: boolean, keys?: boolean, codelens?: boolean, terminal?: string }
function M.setup(options)
  for name, value in pairs(options or {}) do
    if settings[name] == nil then
      error(("towline: there is no setting `%s`"):format(name), 2)
    end
    vim.validate(name, value, type(settings[name]))
    settings[name] = value
  end
  -- The server's configuration may have been read already.
  vim.lsp.config("towline", { cmd = { settings.binary, "lsp" } })
  if settings.enable then
    M.enable()
  else
    vim.lsp.enable("towline", false)
  end
end

--- Lets the language server start in workspaces, if it is there and wanted.
function M.enable()
  if settings.enable and vim.fn.executable(settings.binary) == 1 then
    vim.lsp.enable("towline")
  end
end

--- A few words on the workspace of the current buffer, for a statusline; empty
--- outside of workspaces.
---@return string
function M.statusline()
  return require("towline.status").statusline()
end

--- How the workspace of the current buffer is: the parameters of the server's last
--- `towline/status`, nil before the first.
---@return table?
function M.status()
  return require("towline.status").current()
end

--- The adapter for nvim-dap or any DAP client that starts a program and speaks
--- with it over its standard input and output.
---@return table? adapter nil when this `towline` has no debugger
---@return string? problem why
function M.dap_adapter()
  return require("towline.dap").adapter()
end

return M
