-- The floating window with the status, which follows it. Owns the window and its
-- buffer; what they say is lua/towline/show.lua's.

local client = require("towline.client")
local show = require("towline.show")

local M = {}

local space = vim.api.nvim_create_namespace("towline.status")

---@type { window: integer, buffer: integer, root: string }?
local open

---@return towline.Line[]
local function content(root)
  local state = require("towline.status").of(root)
  if not state then
    return show.status(root, nil)
  end
  local lines = show.status(root, state.status)
  if state.error then
    table.insert(lines, 2, { { "  " .. state.error, "TowlineBad" } })
  end
  return lines
end

local function size(lines)
  local width = 40
  for _, line in ipairs(lines) do
    width = math.max(width, vim.fn.strdisplaywidth(line))
  end
  width = math.min(width, vim.o.columns - 4)
  local height = 0
  for _, line in ipairs(lines) do
    height = height + math.max(1, math.ceil(vim.fn.strdisplaywidth(line) / width))
  end
  return width, math.min(height, vim.o.lines - 4)
end

local function place(lines)
  local width, height = size(lines)
  return {
    relative = "editor",
    width = width,
    height = height,
    col = math.floor((vim.o.columns - width) / 2),
    row = math.max(0, math.floor((vim.o.lines - height) / 2) - 1),
  }
end

--- Writes `lines` into the buffer and returns them as plain text.
---@param buffer integer
---@param lines towline.Line[]
---@return string[]
local function write(buffer, lines)
  local texts = vim.tbl_map(function(line)
    local pieces = vim.tbl_map(function(piece)
      return (piece[1]:gsub("\n", " "))
    end, line)
    return table.concat(pieces)
  end, lines)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, texts)
  vim.bo[buffer].modifiable = false
  vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
  for row, line in ipairs(lines) do
    local from = 0
    for _, piece in ipairs(line) do
      local to = from + #piece[1]
      if piece[2] then
        vim.api.nvim_buf_set_extmark(buffer, space, row - 1, from, {
          end_col = to,
          hl_group = piece[2],
        })
      end
      from = to
    end
  end
  return texts
end

local function follow()
  if open and vim.api.nvim_win_is_valid(open.window) then
    local texts = write(open.buffer, content(open.root))
    vim.api.nvim_win_set_config(open.window, place(texts))
    return
  end
  open = nil
  return true -- the autocommand is not needed any more
end

--- Opens it, or goes to it.
---@return string? problem
function M.open()
  if open and vim.api.nvim_win_is_valid(open.window) then
    vim.api.nvim_set_current_win(open.window)
    return
  end
  local root = client.root()
  local running, problem = client.start(root)
  if not running then
    return problem
  end
  for group, link in pairs(show.highlights) do
    vim.api.nvim_set_hl(0, group, { link = link, default = true })
  end
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].filetype = "towline-status"
  vim.b[buffer].towline_root = root
  local config = vim.tbl_extend("error", place(write(buffer, content(root))), {
    style = "minimal",
    border = "rounded",
    title = " towline ",
    footer = " q closes ",
  })
  local window = vim.api.nvim_open_win(buffer, true, config)
  vim.wo[window].wrap = true
  open = { window = window, buffer = buffer, root = root }
  for _, key in ipairs({ "q", "<Esc>" }) do
    vim.keymap.set("n", key, "<Cmd>close<CR>", { buffer = buffer, nowait = true })
  end
  vim.api.nvim_create_autocmd("User", { pattern = "TowlineStatus", callback = follow })
end

return M
