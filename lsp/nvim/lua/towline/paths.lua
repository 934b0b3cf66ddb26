-- Paths of the two sides: which local file a path of the target is, and going to
-- the file that a line of a terminal names.

local M = {}

--- The local file of a path of the target; nil when no sync holds it.
---@param status table
---@param remote string absolute
---@return string?
function M.to_local(status, remote)
  -- Programs of a `local:` target see the directory itself.
  local dir = (status.target or ""):match("^local:(.*)$")
  local below = dir and vim.fs.relpath(dir, remote)
  if below then
    remote = "/" .. below
  end
  local found, depth
  for _, sync in ipairs(status.syncs) do
    local rest = vim.fs.relpath(sync.beta, remote)
    if rest and #sync.beta > (depth or 0) then
      found = rest == "." and sync.alpha or vim.fs.joinpath(sync.alpha, rest)
      depth = #sync.beta
    end
  end
  return found
end

-- What ends a path in a line of output.
local EDGE = "[%s'\"`()%[%]{}<>,;|=]"

--- The path in `line` at `column`, with the place that stands behind it, as in
--- `/app/a.py:12:5` and `File "/app/a.py", line 12`.
---@param line string
---@param column integer from 1
---@return string? path
---@return integer? row
---@return integer? col
function M.named(line, column)
  if line:sub(column, column):find(EDGE) then
    return nil
  end
  local from, to = column, column
  while from > 1 and not line:sub(from - 1, from - 1):find(EDGE) do
    from = from - 1
  end
  while to < #line and not line:sub(to + 1, to + 1):find(EDGE) do
    to = to + 1
  end
  local word = line:sub(from, to):gsub("[.:]+$", "")
  local path, row, col = word:match("^(.-):(%d+):(%d+)")
  if not path then
    path, row = word:match("^(.-):(%d+)")
  end
  if not path then
    path, row = word, line:sub(to + 1):match("^['\"]?,? line (%d+)")
  end
  if path ~= "" then
    return path, tonumber(row), tonumber(col)
  end
end

--- A window to show a file in, for a terminal keeps its own.
local function leave_terminal()
  local before = vim.fn.win_getid(vim.fn.winnr("#"))
  if before ~= 0 and vim.bo[vim.api.nvim_win_get_buf(before)].buftype == "" then
    vim.api.nvim_set_current_win(before)
  else
    vim.cmd("aboveleft new")
  end
end

--- Goes to the file under the cursor of a terminal; `gf` there.
function M.go()
  local client = require("towline.client")
  local root = client.root()
  local state = require("towline.status").of(root)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local path, row, col = M.named(vim.api.nvim_get_current_line(), cursor[2] + 1)
  if not path then
    return client.complain("there is no path under the cursor")
  end
  local status = state and state.status
  if path:sub(1, 1) ~= "/" then
    local home = status and status.syncs[1] and status.syncs[1].beta or "/"
    path = vim.fs.normalize(vim.fs.joinpath(home, path))
  end
  local here = status and M.to_local(status, path)
  leave_terminal()
  if here and vim.uv.fs_stat(here) then
    vim.cmd.edit(vim.fn.fnameescape(here))
  else
    require("towline.remote").open(root, path)
  end
  if row then
    local last = vim.api.nvim_buf_line_count(0)
    vim.api.nvim_win_set_cursor(0, { math.max(1, math.min(row, last)), (col or 1) - 1 })
  end
end

--- Files and conflicts of this side.
function M.complete_local(_, lead)
  return vim.fn.getcompletion(lead, "file")
end

return M
