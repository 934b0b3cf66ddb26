-- Terminal buffers: shell, commands, logs and processes of the target, `towline doctor`.
-- Owns their windows; what runs in them is the command line itself.

local client = require("towline.client")
local settings = require("towline.settings")

local M = {}

--- Opens a terminal with `towline -C WORKSPACE …` in it.
---@param arguments string[]
---@param typing boolean whether the user types into it, or reads
local function open(arguments, typing)
  local root = client.root()
  if vim.fn.executable(settings.binary) == 0 then
    return client.complain(("`%s` is no program"):format(settings.binary))
  end
  vim.cmd(settings.terminal)
  local buffer = vim.api.nvim_create_buf(true, false)
  vim.api.nvim_win_set_buf(0, buffer)
  vim.b[buffer].towline_root = root
  local workspace = require("towline.status").workspace(root)
  local command = vim.list_extend({ settings.binary, "-C", workspace }, arguments)
  vim.fn.jobstart(command, { term = true, cwd = root })
  for _, keys in ipairs({ "gf", "gF", "<C-w>f" }) do
    vim.keymap.set("n", keys, require("towline.paths").go, {
      buffer = buffer,
      desc = "Go to the local file of a path of the target",
    })
  end
  if typing then
    vim.cmd.startinsert()
  else
    vim.cmd("normal! G") -- a cursor on the last line follows
  end
end

--- Where the workspace is on the target, as a flag: what is typed in the editor is
--- meant there, as in a terminal of this side.
local function at_home()
  local state = require("towline.status").current()
  local sync = state and state.status and state.status.syncs[1]
  return sync and { "--cwd", sync.beta } or {}
end

--- A shell beside the app, in `cwd` as the target names it.
---@param cwd? string
function M.shell(cwd)
  open(vim.list_extend({ "shell" }, cwd and { "--cwd", cwd } or at_home()), true)
end

--- `:Towline shell`
function M.run_shell(words)
  if #words > 1 then
    return "`shell` takes one directory, or none"
  end
  M.shell(words[1])
end

--- `:Towline exec`
function M.exec(words)
  if #words == 0 then
    return "`exec` takes a command"
  end
  local exec = vim.list_extend({ "exec", "--tty" }, at_home())
  open(vim.iter({ exec, "--", words }):flatten():totable(), true)
end

--- `:Towline logs`
function M.logs(words)
  if #words > 0 then
    return "`logs` takes no arguments"
  end
  open({ "logs", "--follow" }, false)
end

--- What may follow `ps`.
function M.complete_ps()
  return { "--all" }
end

--- `:Towline ps`
function M.ps(words)
  if #words > 1 or words[1] and words[1] ~= "--all" then
    return "`ps` takes --all, or nothing"
  end
  open(vim.list_extend({ "ps" }, words), false)
end

--- `:Towline debug`
function M.debug(words)
  if #words > 1 then
    return "`debug` takes one process, or nothing"
  end
  open(vim.list_extend({ "debug" }, words), false)
end

--- What may follow `doctor`.
function M.complete_doctor()
  return { "--fix" }
end

--- `:Towline doctor`
function M.doctor(words)
  if #words > 1 or words[1] and words[1] ~= "--fix" then
    return "`doctor` takes --fix, or nothing"
  end
  open(vim.list_extend({ "doctor" }, words), false)
end

return M
