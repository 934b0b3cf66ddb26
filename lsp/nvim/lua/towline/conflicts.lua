-- Conflicts: files that both sides changed. Lists them, jumps between them, shows
-- the two versions, decides. The server tells which there are and where.

local client = require("towline.client")

local M = {}

local KEEP = { mine = "local", theirs = "target", both = "both" }
local SAID = { ["local"] = "mine", target = "theirs", both = "both" }

---@class towline.Conflict
---@field sync string
---@field path string
---@field local string what happened here
---@field target string what happened there
---@field uri string
---@field remote string

---@param root string
---@return towline.Conflict[]
local function known(root)
  local state = require("towline.status").of(root)
  return state and state.conflicts or {}
end

--- Lines at which the server says that the versions differ, each once; the first one
--- when it says nothing.
local function lines_of(bufnr)
  local lines = {}
  for _, diagnostic in ipairs(vim.diagnostic.get(bufnr)) do
    if diagnostic.source == "towline" and diagnostic.code == "conflict" then
      lines[diagnostic.lnum + 1] = true
    end
  end
  return next(lines) and vim.tbl_keys(lines) or { 1 }
end

--- Every place in conflict, in the order of files and lines.
local function places(root)
  local found = {}
  for _, conflict in ipairs(known(root)) do
    local filename = vim.uri_to_fname(conflict.uri)
    for _, lnum in ipairs(lines_of(vim.uri_to_bufnr(conflict.uri))) do
      table.insert(found, { conflict = conflict, filename = filename, lnum = lnum })
    end
  end
  table.sort(found, function(a, b)
    if a.filename ~= b.filename then
      return a.filename < b.filename
    end
    return a.lnum < b.lnum
  end)
  return found
end

local function items(root)
  return vim.tbl_map(function(place)
    local conflict = place.conflict
    local text = ("%s: %s here, %s on the target"):format(
      conflict.sync,
      conflict["local"],
      conflict.target
    )
    return { filename = place.filename, lnum = place.lnum, col = 1, type = "W", text = text }
  end, places(root))
end

---@type { id: integer, root: string, items: table[] }? the quickfix list that follows
local listed

--- Shows what is in conflict now, if it is something else.
local function refresh()
  local now = listed and items(listed.root)
  if now and not vim.deep_equal(now, listed.items) then
    listed.items = now
    vim.fn.setqflist({}, "r", { id = listed.id, items = now })
  end
end

local function follow()
  if not listed or vim.fn.getqflist({ id = listed.id }).id == 0 then
    listed = nil
    return true -- the autocommand is not needed any more
  end
  -- Not at once: a list that is being shown must not be replaced.
  vim.schedule(refresh)
end

--- `:Towline conflicts`
function M.list(words)
  if #words > 0 then
    return "`conflicts` takes no arguments"
  end
  local root = client.root()
  local running, problem = client.start(root)
  if not running then
    return problem
  end
  local found = items(root)
  vim.fn.setqflist({}, " ", { title = "Towline conflicts", items = found })
  if not listed then
    vim.api.nvim_create_autocmd({ "User" }, { pattern = "TowlineStatus", callback = follow })
    -- They say at which lines.
    vim.api.nvim_create_autocmd("DiagnosticChanged", { callback = follow })
  end
  listed = { id = vim.fn.getqflist({ id = 0 }).id, root = root, items = found }
  if #found == 0 then
    vim.notify("towline: no conflicts")
  else
    vim.cmd("botright copen")
  end
end

--- Goes to the next place in conflict, or with -1 to the one before, over the ends.
---@param step 1|-1
function M.jump(step)
  local all = places(client.root())
  if #all == 0 then
    vim.notify("towline: no conflicts")
    return
  end
  local name, lnum = vim.api.nvim_buf_get_name(0), vim.api.nvim_win_get_cursor(0)[1]
  local function is_ahead(place)
    if place.filename ~= name then
      return (place.filename > name) == (step == 1)
    end
    return (place.lnum - lnum) * step > 0
  end
  local first, last = step == 1 and 1 or #all, step == 1 and #all or 1
  local goal = all[first]
  for index = first, last, step do
    if is_ahead(all[index]) then
      goal = all[index]
      break
    end
  end
  vim.cmd("normal! m'")
  if goal.filename ~= name then
    vim.cmd.edit(vim.fn.fnameescape(goal.filename))
  end
  local bottom = vim.api.nvim_buf_line_count(0)
  vim.api.nvim_win_set_cursor(0, { math.min(goal.lnum, bottom), 0 })
end

--- Maps ]x and [x in a buffer where they mean nothing yet.
---@param bufnr integer
function M.map(bufnr)
  for keys, step in pairs({ ["]x"] = 1, ["[x"] = -1 }) do
    local taken = vim.api.nvim_buf_call(bufnr, function()
      return vim.fn.maparg(keys, "n") ~= ""
    end)
    if not taken then
      vim.keymap.set("n", keys, function()
        M.jump(step)
      end, { buffer = bufnr, desc = step == 1 and "Next conflict" or "Previous conflict" })
    end
  end
end

--- The file that a command without a path means: the one whose two versions are
--- shown, the one under the cursor in the quickfix window, else the buffer's.
local function current_file()
  if vim.bo.buftype == "quickfix" then
    local item = vim.fn.getqflist()[vim.fn.line(".")]
    return item and vim.fn.fnamemodify(vim.fn.bufname(item.bufnr), ":p") or ""
  end
  return vim.b.towline_local or vim.bo.buftype == "" and vim.api.nvim_buf_get_name(0) or ""
end

--- The conflict at a path as it was typed, or of the current file.
---@param path? string
---@return towline.Conflict?
local function conflict_at(path)
  local file = path and vim.fn.fnamemodify(path, ":p") or current_file()
  for _, conflict in ipairs(known(client.root())) do
    if conflict.path == path or vim.uri_to_fname(conflict.uri) == file then
      return conflict
    end
  end
end

--- Closes the target's version of a file, where it is shown.
---@param file string
local function close_diff(file)
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.b[bufnr].towline_local == file then
      vim.api.nvim_buf_delete(bufnr, { force = true })
    end
  end
end

--- `:Towline keep`
function M.keep(words)
  local keep = KEEP[words[1] or ""]
  if not keep or #words > 2 then
    return "`keep` takes mine, theirs or both, and a path when it is not the current file's"
  end
  local conflict = conflict_at(words[2])
  if not conflict then
    return words[2] and ("there is no conflict at %s"):format(words[2])
      or "there is no conflict at the current file; see :Towline conflicts"
  end
  M.resolve({ path = conflict.uri, keep = keep })
end

--- Ends a conflict, and shows what became of the file.
---@param argument { path: string, keep: "local"|"target"|"both" }
function M.resolve(argument)
  local root = client.root()
  local files = {}
  for _, conflict in ipairs(known(root)) do
    if argument.path == conflict.uri or argument.path == conflict.path then
      table.insert(files, vim.uri_to_fname(conflict.uri))
    end
  end
  client.execute("sync.resolve", argument, function(result)
    require("towline.buffers").reload(require("towline.status").workspace(root))
    vim.iter(files):each(close_diff)
    local path = vim.fn.fnamemodify(result.resolved, ":.")
    vim.notify(("towline: %s: kept %s"):format(path, SAID[result.kept] or result.kept))
  end)
end

--- Shows both versions in a tab page, the target's on the right.
local function show_both(file, both)
  close_diff(file)
  vim.cmd.tabedit(vim.fn.fnameescape(file))
  local mine = vim.api.nvim_get_current_win()
  vim.cmd.diffthis()
  local theirs = vim.api.nvim_create_buf(false, true)
  local text = (both.target or ""):gsub("\n$", "")
  vim.api.nvim_buf_set_lines(theirs, 0, -1, false, vim.split(text, "\n", { plain = true }))
  vim.api.nvim_buf_set_name(theirs, ("%s (target) %d"):format(both.remote, theirs))
  vim.bo[theirs].bufhidden = "wipe"
  vim.bo[theirs].modifiable = false
  vim.b[theirs].towline_local = file
  vim.b[theirs].towline_root = client.root()
  vim.bo[theirs].filetype = vim.bo.filetype
  vim.cmd("rightbelow vsplit")
  vim.api.nvim_win_set_buf(0, theirs)
  vim.cmd.diffthis()
  vim.api.nvim_create_autocmd("BufWipeout", {
    buffer = theirs,
    callback = function()
      if vim.api.nvim_win_is_valid(mine) then
        vim.wo[mine].diff = false
        vim.wo[mine].scrollbind = false
        vim.wo[mine].cursorbind = false
      end
    end,
  })
  vim.api.nvim_set_current_win(mine)
end

--- Shows a file beside the target's version.
---@param path string as the server takes it
function M.diff(path)
  client.execute("difference", { path = path }, function(both)
    show_both(vim.uri_to_fname(both.localUri), both)
  end)
end

--- `:Towline diff`
function M.run_diff(words)
  if #words > 1 then
    return "`diff` takes one path, or none for the current file"
  end
  local conflict = conflict_at(words[1])
  local file = words[1] and vim.fn.fnamemodify(words[1], ":p") or current_file()
  if not conflict and file == "" then
    return "`diff` takes a path where the current buffer has none"
  end
  M.diff(conflict and conflict.uri or file)
end

local function paths()
  return vim.tbl_map(function(conflict)
    return conflict.path
  end, known(client.root()))
end

--- Files in conflict, then all others.
function M.complete_path(_, lead)
  return vim.list_extend(paths(), vim.fn.getcompletion(lead, "file"))
end

--- What may follow `keep`.
function M.complete_keep(before)
  if #before > 0 then
    return paths()
  end
  local choices = vim.tbl_keys(KEEP)
  table.sort(choices)
  return choices
end

return M
