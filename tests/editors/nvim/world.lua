-- The workspace and the target of the journey: writing and reading on both sides
-- past the editor, fetching a page, free ports.

local M = {}

M.workspace = vim.uv.fs_realpath(vim.env.TOWLINE_TEST_WORKSPACE)
M.place = vim.env.TOWLINE_TEST_PLACE or "/app"

local directory = not vim.env.TOWLINE_TEST_TARGET and vim.env.TOWLINE_TEST_THERE

--- What follows `up`.
M.target = vim.env.TOWLINE_TEST_TARGET or "local:" .. directory

--- What is chosen in the pickers on the way to the target.
M.picks = directory and { "this machine", directory }
  or vim.split(vim.env.TOWLINE_TEST_PICKS or "", ",")

--- Runs a command on the target by the command line.
local function exec(script, ...)
  local command = { "towline", "-C", M.workspace, "exec", "--", "sh", "-c", script, "sh", ... }
  return vim.system(command):wait()
end

--- Where a path of the target is on this machine, if it is.
local function at_home(path)
  return directory and directory .. path
end

--- The content of a file of the target, nil when there is none.
function M.read_there(path)
  if directory then
    return M.read_here(at_home(path))
  end
  local answer = exec('cat "$1"', path)
  return answer.code == 0 and answer.stdout or nil
end

--- Writes a file on the target as a program there would.
function M.write_there(path, text)
  if directory then
    return M.write_here(at_home(path), text)
  end
  assert(exec('printf %s "$2" >"$1"', path, text).code == 0)
end

--- The content of a file here, nil when there is none.
function M.read_here(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

--- Writes a file here, past the editor.
function M.write_here(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- A port of localhost that nobody listens on.
function M.free_port()
  local socket = assert(vim.uv.new_tcp())
  socket:bind("127.0.0.1", 0)
  local port = socket:getsockname().port
  socket:close()
  return port
end

--- Asks `address` for a page; gives the whole answer, empty while nobody answers.
function M.page(address, path)
  local host, port = address:match("^(.*):(%d+)$")
  local socket, answer, ended = assert(vim.uv.new_tcp()), "", false
  socket:connect(host, tonumber(port), function(problem)
    if problem then
      ended = true
      return
    end
    socket:write(("GET %s HTTP/1.0\r\n\r\n"):format(path))
    socket:read_start(function(_, piece)
      answer, ended = answer .. (piece or ""), piece == nil
    end)
  end)
  vim.wait(2000, function()
    return ended
  end, 1)
  socket:close()
  return answer
end

--- Whether a process runs; one that only its parent remembers does not.
function M.alive(pid)
  local stat = M.read_here(("/proc/%d/stat"):format(pid))
  return stat ~= nil and not stat:find("%) Z ")
end

return M
