-- `:checkhealth towline`: the program, its server, and what `towline doctor` finds.

local settings = require("towline.settings")

local M = {}

local DOCTOR_PATIENCE_MS = 30000

-- What doctor's levels are called here.
local LEVELS = { ok = vim.health.ok, warning = vim.health.warn, problem = vim.health.error }

local function run(...)
  return vim.system({ settings.binary, ... }, { text = true }):wait(DOCTOR_PATIENCE_MS)
end

local function check_program()
  vim.health.start("towline: the program")
  if vim.fn.has("nvim-0.11") == 0 then
    vim.health.error("Neovim is older than 0.11, which is the first with vim.lsp.config")
    return false
  end
  if vim.fn.executable(settings.binary) == 0 then
    vim.health.error(("`%s` is not on the PATH"):format(settings.binary), {
      "put the programs towline and towline-agent into a directory of the PATH",
      'or name the program: require("towline").setup({ binary = "/path/to/towline" })',
    })
    return false
  end
  local path, version = vim.fn.exepath(settings.binary), run("--version")
  if version.code ~= 0 then
    vim.health.error(("%s does not run: %s"):format(path, version.stderr))
    return false
  end
  vim.health.ok(("%s (%s)"):format(vim.trim(version.stdout), path))
  return true
end

local function check_server()
  vim.health.start("towline: the language server")
  if not vim.lsp.is_enabled("towline") then
    vim.health.warn("it does not start by itself; `:Towline` starts it")
  end
  local clients = vim.lsp.get_clients({ name = "towline" })
  for _, client in ipairs(clients) do
    local state = require("towline.status").of(client.root_dir)
    local status = state and state.status
    local how = status and status.readiness.state or "no hub"
    vim.health.ok(("runs for %s: %s"):format(client.root_dir, how))
    if state and state.error then
      vim.health.error(state.error)
    end
  end
  if #clients == 0 then
    vim.health.info("it runs for no workspace yet; open a file of one, or use `:Towline`")
  end
end

local function check_debugger()
  vim.health.start("towline: debuggers")
  if require("towline.dap").available() then
    vim.health.ok("`towline dap` is there; see :help towline-dap")
  else
    vim.health.info("this version has no `towline dap`")
  end
end

local function check_workspace()
  local root = require("towline.status").workspace(require("towline.client").root())
  vim.health.start("towline: doctor in " .. root)
  local answer = run("-C", root, "doctor", "--json")
  local fine, report = pcall(vim.json.decode, answer.stdout, { luanil = { object = true } })
  if not fine or type(report) ~= "table" or not report.findings then
    vim.health.error("`towline doctor` did not answer: " .. answer.stderr)
    return
  end
  for _, finding in ipairs(report.findings) do
    local say = LEVELS[finding.level] or vim.health.info
    say(("%s: %s"):format(finding.what, finding.text), finding.help and { finding.help } or nil)
  end
  if #report.leftovers > 0 then
    vim.health.warn(("%d leftovers"):format(#report.leftovers), { ":Towline doctor --fix" })
  end
end

function M.check()
  if check_program() then
    check_server()
    check_workspace()
    check_debugger()
  end
end

return M
