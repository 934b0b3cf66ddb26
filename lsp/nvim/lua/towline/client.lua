-- Owns the connection to `towline lsp`: which workspace has which client, how it
-- is started, how its commands are asked for. Knows no command.

local settings = require("towline.settings")

local M = {}

-- How long a server may take to initialise, and a command that is waited for.
local START_PATIENCE_MS = 5000
local ASK_PATIENCE_MS = 15000

-- How long its first status may take.
local STATUS_PATIENCE_MS = 1000

--- The workspace that a buffer's file is in.
---@param bufnr integer
---@return string?
function M.root_of(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  if vim.bo[bufnr].buftype ~= "" or name == "" or name:find("^%a[%w+.-]*://") then
    return nil
  end
  return M.root_above(name)
end

--- The root whose server has a workspace that holds `path` and is up, or is marked by
--- its configuration: a repository inside belongs to it.
---@param path string
---@return string? root
---@return string? workspace
local function served(path)
  local status = require("towline.status")
  local found, nearest
  for root, state in status.all() do
    local workspace = status.workspace(root)
    local is_marked = status.is_up(state)
      or vim.uv.fs_stat(vim.fs.joinpath(workspace, "towline.yaml"))
    if is_marked and vim.fs.relpath(workspace, path) and #workspace > #(nearest or "") then
      found, nearest = root, workspace
    end
  end
  return found, nearest
end

--- The workspace that a path is in.
---@param path string
---@return string?
function M.root_above(path)
  local marked = vim.fs.root(path, vim.lsp.config.towline.root_markers)
  local root, workspace = served(path)
  if root then
    local own = marked and #marked > #workspace and vim.fs.joinpath(marked, "towline.yaml")
    if not own or not vim.uv.fs_stat(own) then
      return root
    end
  end
  return marked
end

--- The workspace that a command means: the current buffer's, else the working
--- directory's.
---@return string
function M.root()
  if vim.b.towline_root then
    return vim.b.towline_root
  end
  local client = vim.lsp.get_clients({ name = "towline", bufnr = 0 })[1]
  local cwd = vim.fn.getcwd()
  return client and client.root_dir or M.root_of(0) or M.root_above(cwd) or cwd
end

--- The workspace's configuration, as `vim.lsp.start` takes it.
local function configuration(root)
  return vim.tbl_extend("force", vim.lsp.config.towline, { root_dir = root })
end

--- The initialised client of a workspace, started if there is none.
---@param root string
---@return vim.lsp.Client?
---@return string? problem
function M.start(root)
  if vim.fn.executable(settings.binary) == 0 then
    return nil, ("`%s` is no program; see :checkhealth towline"):format(settings.binary)
  end
  -- It returns the client that there is, if there is one.
  local id = vim.lsp.start(configuration(root), { attach = false })
  local client = id and vim.lsp.get_client_by_id(id)
  local function settled()
    return not client or client.initialized or client:is_stopped()
  end
  if not vim.wait(START_PATIENCE_MS, settled, 5) or not client or not client.initialized then
    return nil, ("`%s lsp` did not start; see :checkhealth towline"):format(settings.binary)
  end
  -- What is known comes first of all that it says; without it commands know nothing.
  vim.wait(STATUS_PATIENCE_MS, function()
    return require("towline.status").of(root) ~= nil
  end, 5)
  return client
end

--- Attaches the buffers of a workspace that has come up, which no marker may name.
---@param root string
function M.gather(root)
  for _, client in ipairs(vim.lsp.get_clients({ name = "towline" })) do
    for _, bufnr in ipairs(client.root_dir == root and vim.api.nvim_list_bufs() or {}) do
      if vim.api.nvim_buf_is_loaded(bufnr) and M.root_of(bufnr) == root then
        vim.lsp.buf_attach_client(bufnr, client.id)
      end
    end
  end
end

--- Attaches a buffer that no FileType event tells of.
---@param bufnr integer
function M.attach(bufnr)
  local root = vim.lsp.is_enabled("towline") and M.root_of(bufnr)
  if root and vim.fn.executable(settings.binary) == 1 then
    vim.lsp.start(configuration(root), { bufnr = bufnr })
  end
end

--- Gives a buffer what the server brings to it.
---@param client vim.lsp.Client
---@param bufnr integer
function M.attached(client, bufnr)
  if settings.keys then
    require("towline.conflicts").map(bufnr)
  end
  if settings.codelens and client:supports_method("textDocument/codeLens") then
    require("towline.lens").watch(client, bufnr)
  end
end

--- Forgets what an ended server said.
---@param client_id integer
function M.exited(client_id)
  local client = vim.lsp.get_client_by_id(client_id)
  if client and client.root_dir then
    vim.schedule(function()
      require("towline.status").forget(client.root_dir)
    end)
  end
end

---@param name string without `towline.`
---@param argument? table
local function parameters(name, argument)
  if not argument or next(argument) == nil then
    argument = vim.empty_dict()
  end
  return { command = "towline." .. name, arguments = { argument } }
end

--- What a failed request means to the user.
---@param failure lsp.ResponseError
---@return string
local function explain(failure)
  local help = type(failure.data) == "table" and failure.data.help
  return type(help) == "string" and help ~= "" and ("%s\n%s"):format(failure.message, help)
    or failure.message
end

--- Tells the user what is wrong. Later, for an error message would end whatever
--- called the command.
---@param problem string
function M.complain(problem)
  vim.schedule(function()
    vim.notify("towline: " .. problem, vim.log.levels.ERROR)
  end)
end

--- Has the server run a command. Failures are told to the user, or to `on_failure`;
--- `on_done` is called with the result of a success.
---@param name string without `towline.`
---@param argument? table
---@param on_done? fun(result: any)
---@param on_failure? fun(problem: string)
---@return fun() cancel asks the server to leave it
function M.execute(name, argument, on_done, on_failure)
  on_failure = on_failure or M.complain
  local client, problem = M.start(M.root())
  if not client then
    on_failure(assert(problem))
    return function() end
  end
  local function answered(failure, result)
    if failure then
      on_failure(explain(failure))
    elseif on_done then
      on_done(result)
    end
  end
  local params = parameters(name, argument)
  local sent, id = client:request("workspace/executeCommand", params, answered)
  return function()
    if sent and id and client.requests[id] then
      client:cancel_request(id)
    end
  end
end

--- Has the server run a command and waits for it.
---@param root string
---@param name string without `towline.`
---@param argument? table
---@param patience_ms? integer
---@return any result nil when it failed
---@return string? problem
function M.ask(root, name, argument, patience_ms)
  local client, problem = M.start(root)
  if not client then
    return nil, problem
  end
  patience_ms = patience_ms or ASK_PATIENCE_MS
  local params = parameters(name, argument)
  local answer, reason = client:request_sync("workspace/executeCommand", params, patience_ms)
  if not answer then
    return nil, ("no answer to `%s`: %s"):format(name, reason)
  end
  if answer.err then
    return nil, explain(answer.err)
  end
  return answer.result
end

return M
