-- A status as a person reads it: lines of pieces, each a text and the highlight
-- group of what it tells, if it tells something. Pure: knows no window.

local M = {}

---@alias towline.Piece { [1]: string, [2]: string? }
---@alias towline.Line towline.Piece[]

local GOOD, WAITS, BAD, QUIET = "TowlineGood", "TowlineWaits", "TowlineBad", "TowlineQuiet"

--- Links the groups above to what colour schemes have.
M.highlights = {
  [GOOD] = "DiagnosticOk",
  [WAITS] = "DiagnosticWarn",
  [BAD] = "DiagnosticError",
  [QUIET] = "Comment",
}

---@param count integer
---@param one string
---@return string
function M.count(count, one)
  return ("%d %s%s"):format(count, one, count == 1 and "" or "s")
end

---@param count integer
---@return string
function M.bytes(count)
  local units = { "B", "KiB", "MiB", "GiB", "TiB" }
  local unit = 1
  while count >= 1024 and unit < #units do
    count, unit = count / 1024, unit + 1
  end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(count, units[unit])
end

---@param us integer
---@return string
local function milliseconds(us)
  return ("%.1f ms"):format(us / 1000)
end

local function readiness(value)
  if value.state == "ready" then
    return { { "up", GOOD } }
  elseif value.state == "pending" then
    return { { "coming up, waits for " .. value.waiting_for, WAITS } }
  elseif value.state == "failed" then
    return { { "failed: " .. value.reason, BAD }, { "  " .. value.help, QUIET } }
  end
  return { { "nothing is up", QUIET } }
end

local function link(value)
  if not value then
    return { { "not linked", QUIET } }
  elseif value.state == "up" then
    local by = (" by %s, round trip %s"):format(value.carrier, milliseconds(value.rtt_us))
    return { { "linked", GOOD }, { by } }
  elseif value.state == "connecting" then
    return { { "connecting: " .. value.step, WAITS } }
  elseif value.state == "reconnecting" then
    return { { ("reconnecting (attempt %d): %s"):format(value.attempt, value.reason), WAITS } }
  end
  return { { "down: " .. (value.reason or ""), BAD } }
end

local function phase(sync)
  local now = sync.phase
  local files = ("%s, %s"):format(M.count(sync.files, "file"), M.bytes(sync.bytes))
  if now.phase == "in_sync" then
    return { { "in sync", GOOD }, { ", " .. files } }
  elseif now.phase == "applying" then
    local rest = ("%s to carry (%s), %s done"):format(
      M.count(sync.pending, "edit"),
      M.bytes(sync.pending_bytes),
      files
    )
    return { { rest, WAITS } }
  elseif now.phase == "scanning" then
    local text = ("looking at both sides (%d here, %d there)"):format(now.alpha, now.beta)
    return { { text, WAITS } }
  elseif now.phase == "paused" then
    return { { "paused", WAITS }, { ", " .. files } }
  elseif now.phase == "braked" or now.phase == "halted" then
    return { { ("%s: %s"):format(now.phase, now.reason), BAD } }
  end
  return { { "waits for the link", WAITS } }
end

local function app(value)
  local command = table.concat(value.command, " ") .. "  "
  if value.state == "running" then
    local again = value.starts > 1 and (", started %d times"):format(value.starts) or ""
    return { { command }, { "runs", GOOD }, { (" as process %d%s"):format(value.pid, again) } }
  elseif value.state == "exited" and value.code == 0 then
    return { { command .. "ended with status 0" } }
  elseif value.state == "exited" then
    local how = value.code and ("status %d"):format(value.code)
      or ("signal %d"):format(value.signal or 0)
    return { { command }, { "ended with " .. how, BAD } }
  elseif value.state == "failed" then
    return { { command }, { "could not be started: " .. value.reason, BAD } }
  end
  return { { command }, { "waits for the first sync", WAITS } }
end

--- One forward, on one line.
---@param forward table
---@return string
function M.forward(forward)
  local text = ("%s → %s (%s), %d now, %d so far, %s out, %s in"):format(
    forward["local"][1] or "closed",
    forward.remote,
    forward.protocol,
    forward.open,
    forward.total,
    M.bytes(forward.bytes_out),
    M.bytes(forward.bytes_in)
  )
  if forward.instead_of then
    text = ("%s, instead of port %d, which is taken"):format(text, forward.instead_of)
  end
  return forward.last_error and ("%s, last error: %s"):format(text, forward.last_error) or text
end

local function hook(value)
  local name = ("%s on change: %s  "):format(value.sync, value.action)
  if value.running then
    return { { name }, { "runs", WAITS } }
  elseif value.last_error then
    return { { name }, { "failed: " .. value.last_error, BAD } }
  end
  return { { name .. "ran " .. M.count(value.runs, "time") } }
end

--- The newest edits of a sync, each on a line.
local function recent(sync)
  local lines = {}
  for index, edit in ipairs(sync.recent or {}) do
    if index > 3 then
      break
    end
    local text = ("%s %s in %s"):format(edit.path, edit.direction, milliseconds(edit.latency_us))
    lines[index] = { { "             " .. text, QUIET } }
  end
  return lines
end

local function sync_lines(sync)
  local where = ("  sync     %s  %s ⇄ %s  "):format(sync.name, sync.alpha, sync.beta)
  local lines = { vim.list_extend({ { where } }, phase(sync)) }
  if sync.conflicts > 0 then
    local help = "  :Towline conflicts"
    table.insert(lines[1], { ", " .. M.count(sync.conflicts, "conflict"), BAD })
    table.insert(lines[1], { help, QUIET })
  end
  for _, problem in ipairs(sync.problems or {}) do
    table.insert(lines, { { ("             %s: %s"):format(problem[1], problem[2]), WAITS } })
  end
  return vim.list_extend(lines, recent(sync))
end

--- A whole status; nil when no hub runs.
---@param root string
---@param status? table
---@return towline.Line[]
function M.status(root, status)
  if not status then
    return { { { root .. "  " }, { "nothing is up", QUIET } } }
  end
  local lines = { vim.list_extend({ { status.workspace .. "  " } }, readiness(status.readiness)) }
  local function add(name, pieces)
    table.insert(lines, vim.list_extend({ { ("  %-9s"):format(name) } }, pieces))
  end
  if status.target then
    add("target", vim.list_extend({ { status.target .. ", " } }, link(status.link)))
  end
  for _, sync in ipairs(status.syncs) do
    vim.list_extend(lines, sync_lines(sync))
  end
  for _, forward in ipairs(status.forwards) do
    add("forward", { { M.forward(forward) } })
  end
  if status.app then
    add("app", app(status.app))
  end
  for _, value in ipairs(status.hooks) do
    add("hook", hook(value))
  end
  for _, warning in ipairs(status.warnings) do
    add("warning", { { warning, WAITS } })
  end
  return lines
end

return M
