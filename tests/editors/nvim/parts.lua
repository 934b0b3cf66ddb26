-- What needs no server: splitting words, parsing, mapping paths, and that the help
-- tells of exactly the commands that there are.

local check = require("check")

local words = require("towline.words")
check.same("words are split as by a shell", words.split([[a 'b c' "d \" e" f\ g '']]), {
  "a",
  "b c",
  'd " e',
  "f g",
  "",
})
check.that("an open quote is known", select(2, words.split("a 'b")))
check.same("a quoted word is itself", words.split(words.quote('it\'s "1" \\ 2')), {
  'it\'s "1" \\ 2',
})

local up = require("towline.up")
check.same(
  "up takes what the command line takes",
  up.parse({
    "deploy/api",
    "-c",
    "app",
    "--namespace=shop",
    "-s",
    ".:/app",
    "--sync",
    "x:/x",
    "-f",
    "8080",
    "--strict-ports",
    "--",
    "sh",
    "-c",
    "true",
  }),
  {
    target = "deploy/api",
    container = "app",
    namespace = "shop",
    sync = { ".:/app", "x:/x" },
    forward = { "8080" },
    strictPorts = true,
    command = { "sh", "-c", "true" },
  }
)
for _, wrong in ipairs({ { "--sink", "x" }, { "a", "b" }, { "--sync" } }) do
  local argument, problem = up.parse(wrong)
  check.that("up refuses " .. table.concat(wrong, " "), not argument and problem)
end
local argument = { target = "local:../there", sync = { ".:/app", "/abs:/abs" } }
up.anchor(argument, "/w", "/w/sub")
check.same("relative paths are seen from the working directory", argument, {
  target = "local:/w/there",
  sync = { "/w/sub:/app", "/abs:/abs" },
})

local paths = require("towline.paths")
local status = {
  target = "local:/there",
  syncs = {
    { alpha = "/w", beta = "/app" },
    { alpha = "/lib", beta = "/app/lib" },
  },
}
check.same("a path of the target is mapped", paths.to_local(status, "/app/a.py"), "/w/a.py")
check.same("the deepest sync wins", paths.to_local(status, "/app/lib/b.py"), "/lib/b.py")
check.same("a directory's own path is mapped", paths.to_local(status, "/there/app/a"), "/w/a")
check.same("what is not synced is not mapped", paths.to_local(status, "/etc/hosts"), nil)

local function named(line, column)
  return { paths.named(line, column) }
end
check.same("a path with a place", named("at /app/a.py:12:5: oops", 6), { "/app/a.py", 12, 5 })
check.same("a path with a line", named("(/app/a.js:7)", 4), { "/app/a.js", 7 })
local traceback = [[  File "/app/a.py", line 3, in <module>]]
check.same("a line of a traceback", named(traceback, 12), { "/app/a.py", 3 })
check.same("a path at a sentence's end", named("see /app/a.py.", 8), { "/app/a.py" })
check.same("no path", named("a  b", 2), {})

-- The help and the verbs.
local command, verbs = require("towline.command"), require("towline.verbs")
local real = {}
for _, name in ipairs(command.names(verbs)) do
  local verb = verbs[name]
  check.that("verb " .. name .. " says what it is for", verb.about ~= "")
  for _, sub in ipairs(verb.verbs and command.names(verb.verbs) or { false }) do
    table.insert(real, sub and ("%s-%s"):format(name, sub) or name)
  end
end
table.sort(real)
local help = vim.api.nvim_get_runtime_file("doc/towline.txt", false)[1]
local documented = {}
for name in table.concat(vim.fn.readfile(help), "\n"):gmatch("%*:Towline%-([%w-]+)%*") do
  table.insert(documented, name)
end
table.sort(documented)
check.same("the help tells of exactly the commands that there are", documented, real)

local settings = table.concat(vim.fn.readfile(help), "\n")
for name in vim.spairs(require("towline.settings")) do
  check.that("the help tells of the setting " .. name, settings:find("\n      " .. name .. " = "))
end

local copy = vim.fn.tempname()
vim.fn.mkdir(copy .. "/doc", "p")
vim.uv.fs_copyfile(help, copy .. "/doc/towline.txt")
vim.cmd.helptags(copy .. "/doc")
vim.opt.runtimepath:append(copy)
vim.cmd.help("towline-setup")
check.that(":help towline-setup opens", vim.api.nvim_get_current_line():find("SETTING UP"))
vim.cmd.bwipeout()

local function completions(line)
  return vim.fn.getcompletion(line, "cmdline")
end
check.same("all verbs are completed", completions("Towline "), command.names(verbs))
check.same("a verb is completed", completions("tab Towline con"), { "conflicts", "connect" })
check.same("verbs of verbs are completed", completions("Towline forward "), {
  "add",
  "list",
  "remove",
})
check.same("choices are completed", completions("Towline keep "), { "both", "mine", "theirs" })
check.same("flags are completed", completions("Towline up x --strict"), { "--strict-ports" })
check.same("values of flags are completed", completions("Towline up x --tier e"), {
  "exec",
  "ephemeral",
})

local from = #check.said + 1
vim.cmd("Towline sunk")
check.hears("a wrong verb is told", "there is no `:Towline sunk`", from)
vim.cmd("Towline forward")
check.hears("a verb without its verb is told", "takes one of: add, list, remove", from)
vim.cmd("Towline up 'x")
check.hears("an open quote is told", "a quote is not closed", from)
for line, problem in
  vim.spairs({
    ["down now"] = "takes no arguments",
    ["keep ours"] = "takes mine, theirs or both",
    ["exec"] = "takes a command",
    ["edit"] = "takes one path",
    ["forward add"] = "takes PORT",
    ["doctor --break"] = "takes %-%-fix",
    ["sync resume --break"] = "has no flag `%-%-break`",
  })
do
  from = #check.said + 1
  vim.cmd("Towline " .. line)
  check.hears("`" .. line .. "` is refused", problem, from)
end

check.that("a setting that is not there is refused", not pcall(require("towline").setup, { x = 1 }))
