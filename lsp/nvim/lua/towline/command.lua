-- `:Towline`: finds the verb and completes. What the verbs do is
-- lua/towline/verbs.lua's.

local words = require("towline.words")

local M = {}

--- The verb that `list` begins with, and the words behind it. A verb may have
--- verbs of its own, as `forward` has `add`.
---@param verbs table<string, towline.Verb>
---@param list string[]
---@return towline.Verb? verb
---@return string[] rest
local function find(verbs, list)
  local verb = verbs[list[1]]
  local rest = vim.list_slice(list, 2)
  if verb and verb.verbs and verb.verbs[rest[1]] then
    return verb.verbs[rest[1]], vim.list_slice(rest, 2)
  end
  return verb, rest
end

--- Names of verbs in the order of the alphabet.
---@param verbs table<string, towline.Verb>
---@return string[]
function M.names(verbs)
  local names = vim.tbl_keys(verbs)
  table.sort(names)
  return names
end

--- Runs what follows `:Towline`.
---@param text string
function M.run(text)
  local verbs = require("towline.verbs")
  local complain = require("towline.client").complain
  local list, open = words.split(text)
  if open then
    return complain("a quote is not closed")
  end
  if #list == 0 then
    list = { "status" }
  end
  local verb, rest = find(verbs, list)
  if not verb then
    return complain(("there is no `:Towline %s`; try `:Towline <Tab>`"):format(list[1]))
  elseif not verb.run then
    local known = table.concat(M.names(verb.verbs), ", ")
    return complain(("`:Towline %s` takes one of: %s"):format(list[1], known))
  end
  local problem = verb.run(rest)
  if problem then
    complain(problem)
  end
end

local function beginning_with(lead, names)
  return vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, names)
end

--- What may stand where the cursor is; for |:command-completion-customlist|.
---@param lead string
---@param line string
---@param position integer
---@return string[]
function M.complete(lead, line, position)
  local verbs = require("towline.verbs")
  -- Modifiers may stand before the command, which may be shortened.
  local before = line:sub(1, position - #lead):gsub("^.-%f[%a]To%a*%s*", "", 1)
  lead = words.split(lead)[1] or ""
  local list = words.split(before)
  if #list == 0 then
    return beginning_with(lead, M.names(verbs))
  end
  local verb, rest = find(verbs, list)
  local found = {}
  if verb and verb.verbs and #rest == 0 then
    vim.list_extend(found, M.names(verb.verbs))
  end
  if verb and verb.complete then
    vim.list_extend(found, verb.complete(rest, lead))
  end
  return vim.tbl_map(words.quote, beginning_with(lead, found))
end

return M
