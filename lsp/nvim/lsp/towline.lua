-- The configuration of the language server `towline lsp`, as `vim.lsp.config`
-- reads it. Owns what is said to the server at its start; the rest is under
-- lua/towline.

return {
  cmd = { require("towline.settings").binary, "lsp" },
  -- No `filetypes`: every file of a workspace is synced, so every one is attached.
  root_markers = { "towline.yaml", ".git" },
  root_dir = function(bufnr, on_dir)
    local root = require("towline.client").root_of(bufnr)
    if root then
      on_dir(root)
    end
  end,
  workspace_required = true,
  init_options = { face = "nvim" },
  handlers = {
    ["towline/status"] = function(_, params, context)
      local client = vim.lsp.get_client_by_id(context.client_id)
      if client then
        require("towline.status").receive(client.root_dir, params)
      end
    end,
  },
  commands = require("towline.actions"),
  on_exit = function(_, _, client_id)
    require("towline.client").exited(client_id)
  end,
}
