-- Commands that code actions and lenses name and that the server could only answer:
-- here they have windows, and say what came of them. All others are the server's.

--- The one argument of a command.
---@param command lsp.Command
---@return table
local function argument(command)
  return command.arguments and command.arguments[1] or {}
end

---@type table<string, fun(command: lsp.Command)>
return {
  ["towline.up"] = function(command)
    require("towline.up").start(argument(command))
  end,
  ["towline.status"] = function()
    require("towline.float").open()
  end,
  ["towline.restart"] = function()
    require("towline.up").restart({})
  end,
  ["towline.logs"] = function()
    require("towline.terminal").logs({})
  end,
  ["towline.shell"] = function()
    require("towline.terminal").shell()
  end,
  ["towline.diff"] = function(command)
    require("towline.conflicts").diff(argument(command).path)
  end,
  ["towline.sync.resolve"] = function(command)
    require("towline.conflicts").resolve(argument(command))
  end,
  ["towline.sync.undo"] = function(command)
    require("towline.syncs").bring_back(argument(command))
  end,
}
