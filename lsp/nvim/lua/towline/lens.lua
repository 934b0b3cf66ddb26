-- Shows the server's code lenses: asks anew when a buffer or the workspace changed,
-- one request at a time. `vim.lsp.codelens.run()` runs them.

local M = {}

---@type table<integer, "asked"|"again"> by buffer
local asking = {}

local function ask(client, bufnr)
  if asking[bufnr] then
    asking[bufnr] = "again"
    return
  end
  asking[bufnr] = "asked"
  local params = { textDocument = vim.lsp.util.make_text_document_params(bufnr) }
  local sent = client:request("textDocument/codeLens", params, function(failure, result, context)
    local again = asking[bufnr] == "again"
    asking[bufnr] = nil
    if not failure then
      vim.lsp.codelens.on_codelens(nil, result, context)
    end
    if again and vim.api.nvim_buf_is_loaded(bufnr) then
      ask(client, bufnr)
    end
  end, bufnr)
  if not sent then
    asking[bufnr] = nil
  end
end

--- Keeps the lenses of a buffer.
---@param client vim.lsp.Client
---@param bufnr integer
function M.watch(client, bufnr)
  if vim.lsp.codelens.enable then
    -- From Neovim 0.12 on it keeps them itself.
    return vim.lsp.codelens.enable(true, { bufnr = bufnr, client_id = client.id })
  end
  local group = vim.api.nvim_create_augroup("towline.lens." .. bufnr, {})
  local function refresh()
    if client:is_stopped() or not client.attached_buffers[bufnr] then
      asking[bufnr] = nil
      return true -- removes the autocommand
    end
    ask(client, bufnr)
  end
  vim.api.nvim_create_autocmd({ "BufEnter", "InsertLeave", "BufWritePost" }, {
    group = group,
    buffer = bufnr,
    callback = refresh,
  })
  vim.api.nvim_create_autocmd("User", {
    group = group,
    pattern = "TowlineStatus",
    callback = refresh,
  })
  ask(client, bufnr)
end

return M
