-- Files of the target in buffers named `towline://WORKSPACE/PATH`: reading, writing,
-- listing directories. WORKSPACE is the last part of the root, to tell two apart.

local client = require("towline.client")

local M = {}

--- The buffer's name of a path of the target.
---@param root string
---@param path string absolute
---@return string
function M.name(root, path)
  return ("towline://%s%s"):format(vim.fs.basename(root), path)
end

--- The workspace and the path that a buffer's name means.
---@param bufnr integer
---@param name string
---@return string root
---@return string path
local function meant(bufnr, name)
  local workspace, path = name:match("^towline://([^/]*)(/.*)$")
  if not path then
    workspace, path = "", "/" .. name:gsub("^towline://", "")
  end
  local root = vim.b[bufnr].towline_root
  for _, running in ipairs(vim.lsp.get_clients({ name = "towline" })) do
    if not root and vim.fs.basename(running.root_dir) == workspace then
      root = running.root_dir
    end
  end
  return root or client.root(), path
end

--- Puts a file's bytes into a buffer.
local function fill(bufnr, bytes)
  local complete = bytes:sub(-1) == "\n"
  local lines = vim.split(complete and bytes:sub(1, -2) or bytes, "\n", { plain = true })
  local dos = complete and #bytes > 0
  for _, line in ipairs(lines) do
    dos = dos and line:sub(-1) == "\r"
  end
  for index, line in ipairs(lines) do
    -- A NUL is a newline inside a line of a buffer.
    lines[index] = (dos and line:sub(1, -2) or line):gsub("%z", "\n")
  end
  local levels = vim.bo[bufnr].undolevels
  vim.bo[bufnr].undolevels = -1 -- undo must not bring back the empty buffer
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
  vim.bo[bufnr].undolevels = levels
  vim.bo[bufnr].fileformat = dos and "dos" or "unix"
  vim.bo[bufnr].fixendofline = false
  vim.bo[bufnr].endofline = complete or bytes == ""
end

--- The bytes of lines of a buffer.
local function bytes_of(bufnr, first, last)
  local lines = vim.api.nvim_buf_get_lines(bufnr, first - 1, last, false)
  local newline = vim.bo[bufnr].fileformat == "dos" and "\r\n" or "\n"
  for index, line in ipairs(lines) do
    lines[index] = line:gsub("\n", "\0")
  end
  local text = table.concat(lines, newline)
  local empty = #lines == 1 and lines[1] == ""
  if empty or last == vim.api.nvim_buf_line_count(bufnr) and not vim.bo[bufnr].endofline then
    return text
  end
  return text .. newline
end

local function stat(root, path)
  return client.ask(root, "file.stat", { path = path })
end

--- Whether a path is free: its directory is there and does not name it.
local function is_new(root, path)
  local dir, name = vim.fs.dirname(path), vim.fs.basename(path)
  local answer = client.ask(root, "file.list", { path = dir })
  for _, entry in ipairs(answer and answer.entries or {}) do
    if entry.name == name then
      return false
    end
  end
  return answer ~= nil
end

local function list_directory(bufnr, root, path)
  local answer, problem = client.ask(root, "file.list", { path = path })
  if not answer then
    return client.complain(assert(problem))
  end
  local names = vim.tbl_map(function(entry)
    return entry.name .. (entry.kind == "directory" and "/" or "")
  end, answer.entries)
  table.sort(names)
  vim.bo[bufnr].modifiable = true
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, names)
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].buftype = "nofile"
  vim.bo[bufnr].filetype = "towline-directory"
  local base = path:gsub("/*$", "/")
  vim.keymap.set("n", "<CR>", function()
    M.open(root, base .. vim.api.nvim_get_current_line())
  end, { buffer = bufnr, desc = "Open the file or directory of the target" })
  vim.keymap.set("n", "-", function()
    M.open(root, vim.fs.dirname((base:gsub("(.)/$", "%1"))))
  end, { buffer = bufnr, desc = "Go to the directory above" })
end

--- Fills a buffer with what its name means; for BufReadCmd.
---@param bufnr integer
---@param name string
function M.read(bufnr, name)
  local root, path = meant(bufnr, name)
  vim.b[bufnr].towline_root = root
  vim.bo[bufnr].swapfile = false
  local found, problem = stat(root, path)
  if found and found.kind == "directory" then
    return list_directory(bufnr, root, path)
  end
  vim.bo[bufnr].buftype = "acwrite"
  local answer = { base64 = "" }
  if found then
    answer, problem = client.ask(root, "file.read", { path = path })
  elseif not is_new(root, path) then
    answer = nil
  end
  if not answer then
    -- An empty buffer must not be written over what could not be read.
    vim.bo[bufnr].modifiable = false
    return client.complain(assert(problem))
  end
  vim.bo[bufnr].modifiable = true
  fill(bufnr, vim.base64.decode(answer.base64))
  vim.bo[bufnr].modified = false
  vim.b[bufnr].towline_mtime_us = found and found.mtime_us or 0
  local kind = vim.filetype.match({ buf = bufnr, filename = path })
  if kind then
    vim.bo[bufnr].filetype = kind
  end
  vim.api.nvim_exec_autocmds("BufReadPost", { buffer = bufnr, modeline = false })
end

--- Whether somebody wrote the file since it was read here.
local function overtaken(bufnr, root, path)
  local now = stat(root, path)
  return now and vim.b[bufnr].towline_mtime_us ~= now.mtime_us
end

--- Writes a buffer to what `name` means; for BufWriteCmd.
---@param bufnr integer
---@param name string
function M.write(bufnr, name)
  local root, path = meant(bufnr, name)
  local own = name == vim.api.nvim_buf_get_name(bufnr)
  if own and vim.v.cmdbang == 0 and overtaken(bufnr, root, path) then
    return client.complain(path .. " changed on the target since it was read; :w! writes over it")
  end
  local bytes = bytes_of(bufnr, vim.fn.line("'["), vim.fn.line("']"))
  local _, problem = client.ask(root, "file.write", {
    path = path,
    base64 = vim.base64.encode(bytes),
    create = true,
    overwrite = own or vim.v.cmdbang == 1,
  })
  if problem then
    return client.complain(problem)
  end
  if own then
    local now = stat(root, path)
    vim.b[bufnr].towline_mtime_us = now and now.mtime_us or 0
    vim.bo[bufnr].modified = false
  end
  local text = ('"%s" %dB written on the target'):format(path, #bytes)
  vim.api.nvim_echo({ { text } }, false, {})
end

--- Opens a path of the target in this window.
---@param root string
---@param path string absolute
function M.open(root, path)
  local bufnr = vim.fn.bufadd(M.name(root, path))
  if not vim.api.nvim_buf_is_loaded(bufnr) then
    vim.b[bufnr].towline_root = root
  end
  vim.bo[bufnr].buflisted = true
  vim.api.nvim_set_current_buf(bufnr)
end

--- `:Towline edit`
function M.edit(words)
  if #words ~= 1 then
    return "`edit` takes one path, as the target names it"
  end
  local path = words[1]
  if path:sub(1, 1) ~= "/" then
    local state = require("towline.status").current()
    local sync = state and state.status and state.status.syncs[1]
    path = vim.fs.normalize(vim.fs.joinpath(sync and sync.beta or "/", path))
  end
  M.open(client.root(), path)
end

--- What is in the directory that is being typed.
---@return string[] directories end with a slash
function M.complete(_, lead)
  local dir = lead:match("^.*/") or "/"
  local answer = client.ask(client.root(), "file.list", { path = dir }, 1500)
  return vim.tbl_map(function(entry)
    return dir .. entry.name .. (entry.kind == "directory" and "/" or "")
  end, answer and answer.entries or {})
end

--- The directories of these.
function M.complete_directory(before, lead)
  return vim.tbl_filter(function(path)
    return vim.endswith(path, "/")
  end, M.complete(before, lead))
end

return M
