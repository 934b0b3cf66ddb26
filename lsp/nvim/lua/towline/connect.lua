-- `:Towline connect`: asks where to, step by step, through `vim.ui.select` and
-- `vim.ui.input`, then brings the workspace up. Owns the order of the questions.

local client = require("towline.client")

local M = {}

--- Runs `steps` as a coroutine, so that questions read as they are asked.
local function run(steps)
  local routine = coroutine.create(steps)
  local function go_on(...)
    local fine, problem = coroutine.resume(routine, ...)
    if not fine then
      client.complain(problem)
    end
  end
  -- Some answer before the question returns: they are heard once it has.
  go_on(vim.schedule_wrap(go_on))
end

--- The user's choice, nil when none was made.
local function select(resume, items, prompt, format)
  vim.ui.select(items, { prompt = prompt, kind = "towline", format_item = format }, resume)
  return coroutine.yield()
end

--- The user's text, nil when it was left.
local function input(resume, prompt, default, completion)
  vim.ui.input({ prompt = prompt, default = default, completion = completion }, resume)
  return coroutine.yield()
end

--- The server's answer, nil when it failed, which was said.
local function execute(resume, name, argument)
  client.execute(name, argument, resume, function(problem)
    client.complain(problem)
    resume(nil)
  end)
  return coroutine.yield()
end

--- Asks what is synced and forwarded; nil when the user left.
local function wishes(resume, argument, where, ports)
  if vim.uv.fs_stat(vim.fs.joinpath(client.root(), "towline.yaml")) then
    return argument -- it says both
  end
  local there = input(resume, "This folder's place on the target (empty: none): ", where)
  if not there then
    return nil
  end
  local forwards = input(resume, "Ports to bring here (empty: none): ", table.concat(ports, " "))
  if not forwards then
    return nil
  end
  argument.sync = there ~= "" and { ".:" .. there } or nil
  local list = vim.split(forwards, "[%s,]+", { trimempty = true })
  argument.forward = #list > 0 and list or nil
  return argument
end

local function this_machine(resume)
  local dir = input(resume, "Directory that stands for the container: ", "", "dir")
  if not dir or dir == "" then
    return nil
  end
  local absolute = vim.fs.normalize(vim.fn.fnamemodify(vim.fs.normalize(dir), ":p"))
  return wishes(resume, { target = "local:" .. (absolute:gsub("(.)/$", "%1")) }, "/app", {})
end

local function namespace(resume, context)
  local answer = execute(resume, "namespaces", { context = context.name })
  if not answer then
    return nil
  end
  if answer.problem or #answer.namespaces == 0 then
    local why = answer.problem and ("Namespace (%s): "):format(answer.problem) or "Namespace: "
    return input(resume, why, context.namespace or "default")
  end
  -- The context's own first.
  local list = vim.tbl_filter(function(name)
    return name ~= context.namespace
  end, answer.namespaces)
  if #list < #answer.namespaces then
    table.insert(list, 1, context.namespace)
  end
  return select(resume, list, "Namespace")
end

local function workload(resume, context)
  local space = namespace(resume, context)
  if not space or space == "" then
    return nil
  end
  local where = { context = context.name, namespace = space }
  local answer = execute(resume, "list", where)
  if not answer then
    return nil
  elseif #answer.workloads == 0 then
    client.complain(("the namespace %s has no workloads"):format(space))
    return nil
  end
  local row = select(resume, answer.workloads, "Workload", function(row)
    return ("%s  %d/%d ready  %s"):format(
      row.workload,
      row.ready,
      row.pods,
      row.problem or table.concat(row.containers, ", ")
    )
  end)
  if not row then
    return nil
  end
  local container = row.containers[1]
  if #row.containers > 1 then
    container = select(resume, row.containers, "Container")
    if not container then
      return nil
    end
  end
  local argument = vim.tbl_extend("error", where, { target = row.workload, container = container })
  return wishes(resume, argument, row.cwd or "", row.ports or {})
end

--- `:Towline connect`
function M.run(words)
  if #words > 0 then
    return "`connect` takes no arguments: it asks"
  end
  run(function(resume)
    -- Without contexts there is this machine still.
    local answer = execute(resume, "contexts")
    local places = vim.list_extend({ { here = true } }, answer and answer.contexts or {})
    local place = select(resume, places, "Where does the app run?", function(place)
      if place.here then
        return "this machine: a directory"
      end
      return place.name .. (place.current and "  (current context)" or "")
    end)
    if not place then
      return
    end
    local argument = place.here and this_machine(resume) or nil
    if not place.here then
      argument = workload(resume, place)
    end
    if argument then
      require("towline.up").start(argument)
    end
  end)
end

return M
