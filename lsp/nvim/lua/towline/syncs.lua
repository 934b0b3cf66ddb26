-- `:Towline sync`: pauses, explains, undoes.

local client = require("towline.client")

local M = {}

local function say(text)
  vim.notify("towline: " .. text)
end

--- The one name that may follow.
local function name_of(words)
  if #words > 1 then
    return nil, ("one sync at a time, not `%s`"):format(table.concat(words, " "))
  end
  return { name = words[1] }
end

--- `:Towline sync pause`
function M.pause(words)
  local argument, problem = name_of(words)
  if not argument then
    return problem
  end
  client.execute("sync.pause", argument, function()
    say("paused; `:Towline sync resume` goes on")
  end)
end

--- `:Towline sync resume`
function M.resume(words)
  local how = "plain"
  local rest = vim.tbl_filter(function(word)
    local chosen = word:match("^%-%-(%a+)$")
    how = chosen or how
    return not chosen
  end, words)
  if how ~= "plain" and how ~= "delete" and how ~= "restore" then
    return ("`sync resume` has no flag `--%s`"):format(how)
  end
  local argument, problem = name_of(rest)
  if not argument then
    return problem
  end
  argument.how = how
  client.execute("sync.resume", argument, function()
    say("goes on")
  end)
end

--- `:Towline sync wait`
function M.wait(words)
  local argument, problem = name_of(words)
  if not argument then
    return problem
  end
  client.execute("sync.wait", argument, function()
    say("every edit made so far is on both sides")
  end)
end

--- `:Towline sync why`
function M.why(words)
  local path = words[1] and vim.fn.fnamemodify(words[1], ":p") or vim.api.nvim_buf_get_name(0)
  if #words > 1 or path == "" then
    return "`sync why` takes one path, or none for the current file"
  end
  client.execute("sync.why", { path = path }, function(result)
    say(("%s: %s"):format(vim.fn.fnamemodify(result.path, ":."), result.why))
  end)
end

--- `:Towline sync undo`
function M.undo(words)
  if #words > 1 then
    return "`sync undo` takes one path, or none for what was displaced last"
  end
  M.bring_back({ path = words[1] and vim.fn.fnamemodify(words[1], ":p") })
end

--- Undoes what a sync displaced, and shows it.
---@param argument { path?: string }
function M.bring_back(argument)
  local root = client.root()
  client.execute("sync.undo", argument, function(result)
    say(result.undone)
    require("towline.buffers").reload(require("towline.status").workspace(root))
  end)
end

--- Names of syncs.
function M.complete_name()
  local state = require("towline.status").current()
  return vim.tbl_map(function(sync)
    return sync.name
  end, state and state.status and state.status.syncs or {})
end

--- What may follow `sync resume`.
function M.complete_resume()
  return vim.list_extend({ "--delete", "--restore" }, M.complete_name())
end

return M
