-- The test driver: one line per check, waits on conditions, and on the first
-- failure says all that Neovim and the server said. Knows nothing of Towline's
-- commands.

local M = {}

local PATIENCE_MS = tonumber(vim.env.TOWLINE_TEST_PATIENCE_MS) or 20000

--- What was notified, oldest first.
---@type string[]
M.said = {}

function vim.notify(text)
  table.insert(M.said, text)
end

local passed = 0

local function print_line(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

--- The end of a file, if it is there.
local function tail(path, count)
  local fine, lines = pcall(vim.fn.readfile, path)
  return fine and table.concat(vim.list_slice(lines, math.max(1, #lines - count)), "\n") or ""
end

local function fail(name, why)
  print_line(("FAIL  %s: %s"):format(name, why))
  print_line("\n--- messages\n" .. vim.fn.execute("messages"))
  print_line("--- notifications\n" .. table.concat(M.said, "\n"))
  print_line("--- LSP log\n" .. tail(vim.lsp.log.get_filename(), 40))
  print_line(("\n%d passed, 1 failed"):format(passed))
  vim.cmd("cquit 1")
end

--- Passes when `fine` is true.
function M.that(name, fine, detail)
  if not fine then
    fail(name, detail == nil and "it is not so" or vim.inspect(detail))
  end
  passed = passed + 1
  print_line("ok    " .. name)
end

--- Passes when both are the same.
function M.same(name, found, wanted)
  local detail = ("found %s, wanted %s"):format(vim.inspect(found), vim.inspect(wanted))
  M.that(name, vim.deep_equal(found, wanted), detail)
end

--- Passes once `condition` gives something, and returns that. What it last gave
--- besides is told when it never does.
function M.eventually(name, condition)
  local value, detail
  local function holds()
    value, detail = condition()
    return value
  end
  vim.wait(PATIENCE_MS, holds, 1)
  M.that(name, value, detail)
  return value
end

--- Passes when a notification from `from` on matches `pattern`.
function M.hears(name, pattern, from)
  return M.eventually(name, function()
    for index = from or 1, #M.said do
      if M.said[index]:find(pattern) then
        return M.said[index]
      end
    end
    return nil, M.said
  end)
end

--- Runs a test file; an error in it is a failure with its trace.
function M.run(path)
  local fine, problem = xpcall(dofile, debug.traceback, path)
  if not fine then
    fail(vim.fs.basename(path), problem)
  end
end

--- Prints a figure.
function M.figure(name, ms)
  print_line(("      %s: %.1f ms"):format(name, ms))
end

--- Ends Neovim with the number of what passed.
function M.done()
  print_line(("\n%d passed, 0 failed"):format(passed))
  vim.cmd("qall!")
end

return M
