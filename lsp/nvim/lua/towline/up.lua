-- `:Towline up`, `down` and `restart`: the words of the command line as the server
-- takes them, and what is shown while it works.

local client = require("towline.client")

local M = {}

---@class towline.Flag
---@field key string in the server's argument
---@field kind "one"|"many"|"switch"
---@field short? string

---@type table<string, towline.Flag>
local FLAGS = {
  ["--container"] = { key = "container", kind = "one", short = "-c" },
  ["--namespace"] = { key = "namespace", kind = "one", short = "-n" },
  ["--context"] = { key = "context", kind = "one" },
  ["--tier"] = { key = "tier", kind = "one" },
  ["--agent-image"] = { key = "agentImage", kind = "one" },
  ["--all"] = { key = "all", kind = "switch" },
  ["--sync"] = { key = "sync", kind = "many", short = "-s" },
  ["--forward"] = { key = "forward", kind = "many", short = "-f" },
  ["--strict-ports"] = { key = "strictPorts", kind = "switch" },
  ["--on-change"] = { key = "onChange", kind = "one" },
  ["--cwd"] = { key = "cwd", kind = "one", short = "-w" },
  ["--replace"] = { key = "replace", kind = "switch" },
}

local function flag_of(word)
  if FLAGS[word] then
    return FLAGS[word]
  end
  for _, flag in pairs(FLAGS) do
    if flag.short == word then
      return flag
    end
  end
end

--- The server's argument for what stands behind `up`.
---@param words string[]
---@return table? argument
---@return string? problem
function M.parse(words)
  local argument, index = {}, 1
  while index <= #words do
    local word = words[index]
    local name, value = word:match("^(%-%-[%w-]+)=(.*)$")
    local flag = flag_of(name or word)
    if word == "--" then
      argument.command = vim.list_slice(words, index + 1)
      break
    elseif not flag and word:find("^%-") then
      return nil, ("`up` has no flag `%s`"):format(name or word)
    elseif not flag and argument.target then
      return nil, ("a second target, `%s`; a command to run stands behind `--`"):format(word)
    elseif not flag then
      argument.target = word
    elseif flag.kind == "switch" then
      argument[flag.key] = true
    else
      if not value then
        index = index + 1
        value = words[index]
      end
      if not value then
        return nil, ("a value has to follow `%s`"):format(word)
      elseif flag.kind == "one" then
        argument[flag.key] = value
      else
        argument[flag.key] = argument[flag.key] or {}
        table.insert(argument[flag.key], value)
      end
    end
    index = index + 1
  end
  return argument
end

--- Names relative paths from `root`, as the server sees them, that were typed as
--- seen from `cwd`.
---@param argument table
---@param root string
---@param cwd string
function M.anchor(argument, root, cwd)
  if root == cwd then
    return
  end
  local function seen(path)
    return vim.fs.normalize(vim.fs.joinpath(cwd, path))
  end
  local there = argument.target and argument.target:match("^local:([^/].*)$")
  if there then
    argument.target = "local:" .. seen(there)
  end
  for index, sync in ipairs(argument.sync or {}) do
    local from, to = sync:match("^([^/:][^:]*):(.*)$")
    if from then
      argument.sync[index] = ("%s:%s"):format(seen(from), to)
    end
  end
end

--- Asks the server to leave the `up` that goes on, if one does.
local cancel = function() end

--- Brings the workspace up as `argument` says, with its progress in the command
--- line.
---@param argument table
---@param on_up? fun(status: table)
function M.start(argument, on_up)
  local root = client.root()
  M.anchor(argument, require("towline.status").workspace(root), vim.fn.getcwd())
  local progress = vim.api.nvim_create_autocmd("LspProgress", {
    callback = function(event)
      local of = vim.lsp.get_client_by_id(event.data.client_id)
      local value = event.data.params.value
      if of and of.name == "towline" and of.root_dir == root and value.kind ~= "end" then
        vim.api.nvim_echo({ { "towline: " .. (value.message or value.title or "") } }, false, {})
      end
    end,
  })
  local function ended()
    cancel = function() end
    pcall(vim.api.nvim_del_autocmd, progress)
  end
  local leave = client.execute("up", argument, function(status)
    ended()
    vim.notify(("towline: up, %s"):format(status.target or status.workspace))
    if on_up then
      on_up(status)
    end
  end, function(problem)
    ended()
    client.complain(problem)
  end)
  -- A request that was cancelled is never answered to us.
  cancel = function()
    leave()
    ended()
  end
end

--- `:Towline up`
function M.run(words)
  local argument, problem = M.parse(words)
  if not argument then
    return problem
  end
  M.start(argument)
end

--- `:Towline down`
function M.down(words)
  if #words > 0 then
    return "`down` takes no arguments"
  end
  cancel()
  client.execute("down", nil, function()
    vim.notify("towline: down, nothing is left on either side")
  end)
end

--- `:Towline restart`
function M.restart(words)
  if #words > 0 then
    return "`restart` takes no arguments"
  end
  client.execute("restart", nil, function(result)
    local state = result.app.state
    vim.notify("towline: the app " .. (state == "running" and "runs again" or state))
  end)
end

--- Completion waits a moment only: a cluster that does not answer is no reason to
--- stand still.
local COMPLETION_PATIENCE_MS = 1500

--- What the server offers, nothing when it does not answer in time.
local function offered(name, argument)
  return client.ask(client.root(), name, argument, COMPLETION_PATIENCE_MS) or {}
end

local function names(entries, key)
  return vim.tbl_map(function(entry)
    return entry[key]
  end, entries or {})
end

local VALUES = {
  context = function()
    return names(offered("contexts").contexts, "name")
  end,
  namespace = function(argument)
    return offered("namespaces", { context = argument.context }).namespaces or {}
  end,
  container = function(argument)
    local where = { context = argument.context, namespace = argument.namespace }
    for _, row in ipairs(offered("list", where).workloads or {}) do
      if row.workload == argument.target then
        return row.containers
      end
    end
    return {}
  end,
  tier = function()
    return { "exec", "ephemeral" }
  end,
  onChange = function()
    return { "restart", "nothing", "run: " }
  end,
  sync = function(_, lead)
    return vim.tbl_map(function(dir)
      return (dir:gsub("/$", "")) .. ":/"
    end, vim.fn.getcompletion(lead, "dir"))
  end,
}

--- Completes what stands behind `up`.
---@param before string[]
---@param lead string
---@return string[]
function M.complete(before, lead)
  if vim.list_contains(before, "--") then
    return {}
  end
  local flag = flag_of(before[#before])
  if flag and flag.kind ~= "switch" then
    local so_far = M.parse(vim.list_slice(before, 1, #before - 1)) or {}
    return VALUES[flag.key] and VALUES[flag.key](so_far, lead) or {}
  end
  local found = vim.tbl_keys(FLAGS)
  table.sort(found)
  local so_far = M.parse(before) or {}
  if so_far.target or vim.startswith(lead, "-") then
    return found
  end
  local there = lead:match("^local:(.*)$")
  if there then
    return vim.tbl_map(function(dir)
      return "local:" .. dir
    end, vim.fn.getcompletion(there, "dir"))
  end
  local where = { context = so_far.context, namespace = so_far.namespace }
  local targets = names(offered("list", where).workloads, "workload")
  return vim.list_extend(vim.list_extend({ "local:" }, targets), found)
end

return M
