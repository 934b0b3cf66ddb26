-- Buffers of a workspace's files, and what is on the disk below them.

local M = {}

--- Shows what was written to files in buffers that nobody changed; one that somebody
--- changed would ask a question in the middle of typing.
---@param root string
function M.reload(root)
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    local name = vim.api.nvim_buf_get_name(bufnr)
    local plain = vim.api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].buftype == ""
    if plain and not vim.bo[bufnr].modified and name ~= "" and vim.fs.relpath(root, name) then
      vim.cmd.checktime(bufnr)
    end
  end
end

return M
