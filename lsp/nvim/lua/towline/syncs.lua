-- `:Towline sync`: pauses, explains, undoes, ignores.

local client = require("towline.client")

local M = {}

local function say(text)
  vim.notify("towline: " .. text)
end

--- Has the server do `verb` for the one sync, or for all, that `words` name.
---@param verb string
---@param words string[]
---@param said string
---@param argument? table what goes with the name
---@return string? problem
local function about_sync(verb, words, said, argument)
  if #words > 1 then
    return ("one sync at a time, not `%s`"):format(table.concat(words, " "))
  end
  argument = vim.tbl_extend("error", argument or {}, { name = words[1] })
  client.execute("sync." .. verb, argument, function()
    say(said)
  end)
end

--- The one path that `words` name, absolute; nil when they name none.
---@param verb string
---@param words string[]
---@param otherwise string what no path means
---@return string? path
---@return string? problem
local function path_of(verb, words, otherwise)
  if #words > 1 then
    return nil, ("`sync %s` takes one path, or none for %s"):format(verb, otherwise)
  end
  return words[1] and vim.fn.fnamemodify(words[1], ":p")
end

--- The same, or the current file.
local function path_or_current(verb, words)
  local path, problem = path_of(verb, words, "the current file")
  if path or problem then
    return path, problem
  end
  local name = vim.api.nvim_buf_get_name(0)
  if name == "" then
    return nil, ("`sync %s` takes a path: this buffer has no file"):format(verb)
  end
  return name
end

--- `:Towline sync pause`
function M.pause(words)
  return about_sync("pause", words, "paused; `:Towline sync resume` goes on")
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
  return about_sync("resume", rest, "goes on", { how = how })
end

--- `:Towline sync wait`
function M.wait(words)
  return about_sync("wait", words, "every edit made so far is on both sides")
end

--- `:Towline sync why`
function M.why(words)
  local path, problem = path_or_current("why", words)
  if not path then
    return problem
  end
  client.execute("sync.why", { path = path }, function(result)
    say(("%s: %s"):format(result.path, result.why))
  end)
end

--- `:Towline sync ignore`
function M.ignore(words)
  local path, problem = path_or_current("ignore", words)
  if not path then
    return problem
  end
  client.execute("sync.ignore", { path = path }, function(result)
    say(("%s is not synced any more: .gitignore says so"):format(result.ignored))
  end)
end

--- `:Towline sync undo`
function M.undo(words)
  local path, problem = path_of("undo", words, "what was displaced last")
  if problem then
    return problem
  end
  M.bring_back({ path = path })
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
