-- Keeps the one status of each workspace, as its server last told it, and tells
-- whoever shows it: the event `User TowlineStatus`, with the same in `data`.

local M = {}

---@type table<string, table> by the root that the client has
local known = {}

local function announce(root, state)
  local event = { pattern = "TowlineStatus", modeline = false, data = state }
  event.data = event.data or { root = vim.uri_from_fname(root), conflicts = {} }
  vim.api.nvim_exec_autocmds("User", event)
  vim.cmd.redrawstatus({ bang = true })
end

--- How many edits came from the target.
local function arrived(state)
  local count = 0
  for _, sync in ipairs(state and state.status and state.status.syncs or {}) do
    count = count + sync.applied_alpha
  end
  return count
end

--- Whether something is to be up.
---@param state? table
---@return boolean
function M.is_up(state)
  return state ~= nil and state.status ~= nil and state.status.readiness.state ~= "idle"
end

--- Takes the parameters of `towline/status`.
---@param root string
---@param state table
function M.receive(root, state)
  local before = known[root]
  known[root] = state
  if arrived(state) ~= arrived(before) then
    require("towline.buffers").reload(M.workspace(root))
  end
  if M.is_up(state) and not M.is_up(before) then
    require("towline.client").gather(root)
  end
  announce(root, state)
end

--- The server of this workspace is gone.
---@param root string
function M.forget(root)
  known[root] = nil
  announce(root, nil)
end

--- What is known of a workspace.
---@param root string
---@return table?
function M.of(root)
  return known[root]
end

--- Every root with what is known of it.
function M.all()
  return pairs(known)
end

--- The workspace as the server found it: it may begin above the root.
---@param root string
---@return string
function M.workspace(root)
  return known[root] and vim.uri_to_fname(known[root].root) or root
end

--- What is known of the workspace that a command means.
---@return table?
function M.current()
  return known[require("towline.client").root()]
end

local function words(status)
  local readiness, link = status.readiness, status.link or {}
  if readiness.state == "idle" then
    return "not up"
  elseif readiness.state == "failed" then
    return "failed"
  elseif link.state == "reconnecting" then
    return "reconnecting"
  elseif link.state == "connecting" then
    return "connecting"
  elseif readiness.state == "pending" then
    return "waits for " .. readiness.waiting_for
  end
  local round_trip = link.state == "up" and (" %.1f ms"):format(link.rtt_us / 1000) or ""
  -- Of a directory its name will do.
  local target = (status.target or "up"):gsub("^local:.*/", "local:")
  return target .. round_trip
end

--- A few words for a statusline; `%` is escaped.
---@return string
function M.statusline()
  local state = M.current()
  if not state then
    return ""
  end
  local status = state.status
  local text = "towline: " .. (status and words(status) or "not up")
  for _, sync in ipairs(status and status.syncs or {}) do
    local phase = sync.phase.phase
    if phase == "paused" or phase == "braked" or phase == "halted" then
      text = ("%s, %s %s"):format(text, sync.name, phase)
    end
  end
  local conflicts = #(state.conflicts or {})
  if conflicts > 0 then
    text = ("%s, %d conflict%s"):format(text, conflicts, conflicts == 1 and "" or "s")
  end
  return (text:gsub("%%", "%%%%"))
end

return M
