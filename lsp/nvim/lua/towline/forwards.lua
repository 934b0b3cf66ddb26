-- `:Towline forward`: ports of the target on localhost, listed in the quickfix
-- window.

local client = require("towline.client")
local show = require("towline.show")

local M = {}

--- Runs `name` for each word, one after another, and says what came of it.
local function each(name, words, said)
  local word = table.remove(words, 1)
  if word then
    client.execute(name, { spec = word }, function(result)
      vim.notify("towline: " .. said(result, word))
      each(name, words, said)
    end)
  end
end

--- `:Towline forward add`
function M.add(words)
  if #words == 0 then
    return "`forward add` takes PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT"
  end
  each("forward.add", words, function(result)
    return show.forward(result.opened)
  end)
end

--- `:Towline forward remove`
function M.remove(words)
  if #words == 0 then
    return "`forward remove` takes forwards as they were written, or their local ports"
  end
  each("forward.remove", words, function(_, word)
    return ("closed the forward %s"):format(word)
  end)
end

--- `:Towline forward list`
function M.list(words)
  if #words > 0 then
    return "`forward list` takes no arguments"
  end
  client.execute("forward.list", nil, function(result)
    local items = vim.tbl_map(function(forward)
      -- Written as an address, `gx` opens it in a browser.
      local at = forward["local"][1]
      local address = at and forward.protocol == "tcp" and ("http://%s  "):format(at) or ""
      return { text = address .. show.forward(forward), user_data = forward, valid = 0 }
    end, result.forwards)
    vim.fn.setqflist({}, " ", { title = "Towline forwards", items = items })
    if #items == 0 then
      vim.notify("towline: no forwards")
    else
      vim.cmd("botright copen")
    end
  end)
end

--- Ports that something listens on there and that are not here yet.
function M.complete_add()
  local answer = client.ask(client.root(), "ports.detect", nil, 1500)
  local found = {}
  for _, port in ipairs(answer and answer.ports or {}) do
    if not port.forwarded then
      table.insert(found, tostring(port.port))
    end
  end
  return found
end

--- What is open.
function M.complete_remove()
  local state = require("towline.status").current()
  return vim.tbl_map(function(forward)
    return forward.spec
  end, state and state.status and state.status.forwards or {})
end

return M
