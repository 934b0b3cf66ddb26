-- What is there from Neovim's start: the command, the events, the language
-- server. Each loads what it needs when it is first used.

if vim.g.loaded_towline or vim.fn.has("nvim-0.11") == 0 then
  return
end
vim.g.loaded_towline = true

vim.api.nvim_create_user_command("Towline", function(call)
  require("towline.command").run(call.args)
end, {
  nargs = "*",
  complete = function(lead, line, position)
    return require("towline.command").complete(lead, line, position)
  end,
  desc = "Edit here, run there",
})

local group = vim.api.nvim_create_augroup("towline", {})

vim.api.nvim_create_autocmd("BufReadCmd", {
  group = group,
  pattern = "towline://*",
  callback = function(event)
    require("towline.remote").read(event.buf, event.match)
  end,
})

vim.api.nvim_create_autocmd("BufWriteCmd", {
  group = group,
  pattern = "towline://*",
  callback = function(event)
    require("towline.remote").write(event.buf, event.match)
  end,
})

-- `vim.lsp.enable` attaches on FileType, which never comes for a file without one.
vim.api.nvim_create_autocmd({ "BufReadPost", "BufNewFile" }, {
  group = group,
  callback = vim.schedule_wrap(function(event)
    if vim.api.nvim_buf_is_valid(event.buf) and vim.bo[event.buf].filetype == "" then
      require("towline.client").attach(event.buf)
    end
  end),
})

vim.api.nvim_create_autocmd("LspAttach", {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == "towline" then
      require("towline.client").attached(client, event.buf)
    end
  end,
})

require("towline").enable()
