-- `:Towline open`: the link under the cursor, else a forward in the browser. The server
-- says what is linked; this opens it.

local client = require("towline.client")

local M = {}

local PATIENCE_MS = 2000

--- Opens an address: a file in this window, anything else as the system does.
local function open(address)
  if vim.startswith(address, "file:") or vim.startswith(address, "towline:") then
    return vim.cmd.edit(
      vim.fn.fnameescape(vim.startswith(address, "file:") and vim.uri_to_fname(address) or address)
    )
  end
  local _, problem = vim.ui.open(address)
  if problem then
    client.complain(problem)
  end
end

--- The address of the link under the cursor.
---@return string?
local function under_cursor()
  local running = vim.lsp.get_clients({ name = "towline", bufnr = 0 })[1]
  if not running then
    return nil
  end
  local params = { textDocument = vim.lsp.util.make_text_document_params(0) }
  local answer = running:request_sync("textDocument/documentLink", params, PATIENCE_MS, 0)
  local here = vim.lsp.util.make_position_params(0, running.offset_encoding).position
  for _, link in ipairs(answer and answer.result or {}) do
    local from, to = link.range.start, link.range["end"]
    if
      from.line == here.line
      and from.character <= here.character
      and here.character < to.character
    then
      return link.target
    end
  end
end

--- What can be opened in a browser, by the server's word: one that was just opened is
--- not in the last status yet.
---@return table[]? forwards
---@return string? problem
local function forwards()
  local answer, problem = client.ask(client.root(), "forward.list", nil, PATIENCE_MS)
  if not answer then
    return nil, problem
  end
  return vim.tbl_filter(function(forward)
    return forward.protocol == "tcp" and forward["local"][1] ~= nil
  end, answer.forwards)
end

local function address_of(forward)
  return ("http://%s/"):format(forward["local"][1])
end

--- `:Towline open`
function M.run(words)
  if #words > 1 then
    return "`open` takes one forward, or none"
  end
  local link = #words == 0 and under_cursor()
  if link then
    return open(link)
  end
  local all, problem = forwards()
  if not all then
    return problem
  end
  if words[1] then
    for _, forward in ipairs(all) do
      if forward.spec == words[1] or vim.endswith(forward["local"][1], ":" .. words[1]) then
        return open(address_of(forward))
      end
    end
    return ("there is no forward `%s`; see `:Towline forward list`"):format(words[1])
  end
  if #all == 0 then
    return "no port is forwarded; `:Towline forward add` brings one here"
  elseif #all == 1 then
    return open(address_of(all[1]))
  end
  local function shown(forward)
    return ("%s  %s"):format(forward.remote, address_of(forward))
  end
  vim.ui.select(all, { prompt = "Open", kind = "towline", format_item = shown }, function(forward)
    if forward then
      open(address_of(forward))
    end
  end)
end

return M
