-- One working day in one workspace, by `:Towline` alone: up, edit, conflicts,
-- terminals, remote files, a hub that is killed, down. Every command is used.

local answer = require("answer")
local check = require("check")
local world = require("world")

local towline = require("towline")

local used = {} -- commands, as the help names them

--- Runs `:Towline …`, as typed.
local function run(line)
  local verbs = require("towline.verbs")
  local first, second = line:match("^(%S+)%s*(%S*)")
  used[verbs[first].verbs and ("%s-%s"):format(first, second) or first] = true
  vim.cmd("Towline " .. line)
end

--- What is said from now on.
local function hearing()
  local from = #check.said + 1
  return function(name, pattern)
    return check.hears(name, pattern, from)
  end
end

local function status()
  local state = towline.status()
  return state and state.status
end

local function conflicts()
  local state = towline.status()
  return state and state.conflicts or {}
end

local function lines()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
end

local function diagnostics(bufnr)
  return vim.tbl_filter(function(diagnostic)
    return diagnostic.source == "towline"
  end, vim.diagnostic.get(bufnr))
end

--- A file as the sync knows it, on both sides.
local function here(path)
  return world.workspace .. "/" .. path
end

local function there(path)
  return world.place .. "/" .. path
end

--- Types keys and has them handled.
local function press(keys)
  local typed = vim.api.nvim_replace_termcodes(keys, true, false, true)
  vim.api.nvim_feedkeys(typed, "mx", false)
end

-- The workspace: an app and its page.
local tests = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
for _, app in ipairs({ "app.py", "app.sh" }) do
  vim.uv.fs_copyfile(tests .. "/" .. app, here(app))
end
world.write_here(here("page.txt"), "first\n")
world.write_here(here("notes.txt"), "one\ntwo\nthree\n")
vim.fn.mkdir(here(".git"), "p")

-- Start.
local starts = {}
for round = 1, 5 do
  local began = vim.uv.hrtime()
  local config = { name = "probe", cmd = { "towline", "lsp" }, root_dir = world.workspace }
  local id = assert(vim.lsp.start(config, { attach = false }))
  local probe = assert(vim.lsp.get_client_by_id(id))
  check.eventually(("a server starts, %d of 5"):format(round), function()
    return probe.initialized
  end)
  starts[round] = (vim.uv.hrtime() - began) / 1e6
  probe:stop()
  check.eventually(("and ends, %d of 5"):format(round), function()
    return not vim.lsp.get_client_by_id(id)
  end)
end
table.sort(starts)
check.figure("start of `towline lsp` to initialized, median of 5", starts[3])
vim.cmd.edit(here("page.txt"))
local client = check.eventually("the server runs for a file of the workspace", function()
  return vim.lsp.get_clients({ name = "towline", bufnr = 0 })[1]
end)
check.same("its root is the workspace", client.root_dir, world.workspace)
check.eventually("the first status comes by itself", towline.status)
check.same("nothing is up before it is asked for", towline.statusline(), "towline: not up")
vim.cmd.edit(here("LICENSE"))
check.eventually("a file without a type is attached", function()
  return vim.lsp.get_clients({ name = "towline", bufnr = 0 })[1]
end)
vim.cmd.buffer(vim.fn.bufnr(here("page.txt")))
local hears = hearing()
run("restart")
hears("a command says when nothing is up", "nothing is up")

-- Up.
local events = 0
vim.api.nvim_create_autocmd("User", {
  pattern = "TowlineStatus",
  callback = function(event)
    events = events + (event.data.root == vim.uri_from_fname(world.workspace) and 1 or 0)
  end,
})
local app_port, port = world.free_port(), world.free_port()
hears = hearing()
run(
  ("up %s --sync .:%s --forward %d:%d -- %s %d"):format(
    world.target,
    world.place,
    port,
    app_port,
    vim.env.TOWLINE_TEST_APP or "python3 app.py",
    app_port
  )
)
hears("up is told", "up, ")
check.eventually("the status is ready", function()
  return status() and status().readiness.state == "ready", status()
end)
check.that("the event TowlineStatus came", events > 0)
check.that("the statusline tells the target", towline.statusline():find("ms"), towline.statusline())

-- A repository inside a workspace that is up belongs to it.
vim.fn.mkdir(here("inner/.git"), "p")
vim.cmd.edit(here("inner/a.txt"))
check.eventually("a repository inside has the same server", function()
  local clients = vim.lsp.get_clients({ name = "towline", bufnr = 0 })
  return #clients == 1 and clients[1].root_dir == world.workspace
end)
vim.cmd.buffer(vim.fn.bufnr(here("page.txt")))

run("status")
local float = vim.api.nvim_get_current_win()
check.same("the status is a floating window", vim.api.nvim_win_get_config(float).relative, "editor")
for _, word in ipairs({ "up", "target", "sync", "in sync", "forward", "app", "runs" }) do
  check.eventually("it tells " .. word, function()
    return lines():find(word, 1, true), lines()
  end)
end
run("sync pause")
check.eventually("it follows what happens", function()
  return lines():find("paused"), lines()
end)
check.that("so does the statusline", towline.statusline():find("paused"))
hears = hearing()
run("sync resume")
hears("resume is told", "goes on")
check.eventually("it goes on", function()
  return not lines():find("paused"), lines()
end)
press("q")
check.that("q closes it", not vim.api.nvim_win_is_valid(float))

-- Edit and save.
local address = status().forwards[1]["local"][1]
check.eventually("the app answers through the forward", function()
  return world.page(address, "/page.txt"):find("first")
end)
local took = {}
for round = 1, 5 do
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { "edit " .. round })
  local saved = vim.uv.hrtime()
  vim.cmd("silent write")
  check.eventually(("edit %d is on the target"):format(round), function()
    return world.read_there(there("page.txt")) == ("edit %d\n"):format(round)
  end)
  took[round] = (vim.uv.hrtime() - saved) / 1e6
end
table.sort(took)
check.figure("save to visible on the target, median of 5", took[3])
check.that("and in the app's page", world.page(address, "/page.txt"):find("edit 5"))
hears = hearing()
run("sync wait")
hears("wait is told", "on both sides")
world.write_there(there("page.txt"), "from there\n")
check.eventually("an edit on the target is in the buffer", function()
  return lines() == "from there", lines()
end)
hears = hearing()
run("sync why")
hears("why is told for the current file", "page.txt: ")
hears = hearing()
run("sync why notes.txt")
hears("why is told for a path", "notes.txt: ")
hears = hearing()
run("sync undo " .. here("page.txt"))
hears("undo is told", "brought back")
check.eventually("undo is in the buffer", function()
  return lines() == "edit 5", lines()
end)

--- Makes a conflict in each of `paths`.
local function collide(paths, mine, theirs)
  local heard = hearing()
  run("sync wait")
  heard("both sides agree", "on both sides")
  run("sync pause")
  check.eventually("paused", function()
    return status().syncs[1].phase.phase == "paused"
  end)
  for _, path in ipairs(paths) do
    world.write_here(here(path), mine)
    world.write_there(there(path), theirs)
  end
  run("sync resume")
  check.eventually("there are conflicts", function()
    return #conflicts() == #paths, towline.status()
  end)
end

-- Conflicts.
collide({ "notes.txt", "page.txt" }, "one\nmine\nthree\n", "one\ntheirs\nthree\n")
vim.cmd.checktime()
check.that("the statusline counts conflicts", towline.statusline():find("2 conflicts"))
check.eventually("a conflict is a diagnostic", function()
  return #diagnostics(0) > 0 and diagnostics(0)[1].code == "conflict", vim.diagnostic.get()
end)
run("conflicts")
check.same("the quickfix window is open", vim.bo.buftype, "quickfix")
check.same("it lists both", #vim.fn.getqflist(), 2)
check.that("with what happened", lines():find("edited here, edited on the target"), lines())
vim.cmd.cclose()
vim.api.nvim_win_set_cursor(0, { 1, 0 })
local function place()
  return vim.fs.basename(vim.api.nvim_buf_get_name(0))
end
--- Jumps, in a buffer that the server is attached to by now.
local function jump(keys)
  check.eventually(keys .. " is mapped", function()
    return vim.fn.maparg(keys, "n") ~= ""
  end)
  press(keys)
end
jump("]x")
local first = { place(), vim.api.nvim_win_get_cursor(0)[1] }
jump("]x")
local second = { place(), vim.api.nvim_win_get_cursor(0)[1] }
check.that("]x goes to each conflict", not vim.deep_equal(first, second), { first, second })
jump("[x")
check.same("[x goes back", { place(), vim.api.nvim_win_get_cursor(0)[1] }, first)

vim.cmd.edit(here("notes.txt"))
run("diff")
check.eventually("diff opens a tab with both", function()
  return vim.fn.tabpagenr("$") == 2 and vim.fn.winnr("$") == 2
end)
check.that("mine is on the left", vim.wo.diff and lines():find("mine"), lines())
vim.cmd.wincmd("l")
check.that("theirs is on the right", vim.wo.diff and lines():find("theirs"), lines())
check.that("it cannot be changed by mistake", not vim.bo.modifiable)
hears = hearing()
run("keep mine")
hears("keep is told", "kept mine")
check.eventually("the target has mine", function()
  return world.read_there(there("notes.txt")) == "one\nmine\nthree\n"
end)
check.eventually("the conflict is gone from the status", function()
  return #conflicts() == 1
end)
check.eventually("and from the quickfix list", function()
  return #vim.fn.getqflist() == 1, vim.fn.getqflist()
end)
check.same("the other version is closed", vim.fn.winnr("$"), 1)
check.that("its neighbour is no diff any more", not vim.wo.diff)
vim.cmd.tabclose()

vim.cmd.edit(here("page.txt"))
local action = check.eventually("there is a code action that keeps mine", function()
  local bufnr = vim.api.nvim_get_current_buf()
  local params = vim.lsp.util.make_range_params(0, client.offset_encoding)
  params.context = { diagnostics = {}, triggerKind = 1 }
  for _, found in ipairs(diagnostics(bufnr)) do
    table.insert(params.context.diagnostics, found.user_data.lsp)
    params.range = found.user_data.lsp.range
  end
  local got = client:request_sync("textDocument/codeAction", params, 2000, bufnr)
  for _, found in ipairs(got and got.result or {}) do
    if found.title:lower():find("^keep mine") then
      return found
    end
  end
  return nil, got
end)
local asked, restore = answer({ action.title })
vim.lsp.buf.code_action()
check.eventually("the code action ends the conflict", function()
  return #conflicts() == 0, asked
end)
restore()
check.eventually("the target has mine by the code action", function()
  return world.read_there(there("page.txt")) == "one\nmine\nthree\n"
end)
check.eventually("its diagnostic is gone", function()
  return #diagnostics(0) == 0, vim.diagnostic.get(0)
end)

collide({ "notes.txt" }, "mine again\n", "theirs again\n")
run("keep theirs notes.txt")
check.eventually("keep theirs is here", function()
  return world.read_here(here("notes.txt")) == "theirs again\n" and #conflicts() == 0
end)
collide({ "notes.txt" }, "mine at last\n", "theirs at last\n")
check.same("conflicts are completed", vim.fn.getcompletion("Towline keep both n", "cmdline"), {
  "notes.txt",
})
run("keep both notes.txt")
check.eventually("keep both ends it, too", function()
  return #conflicts() == 0
end)
check.same("and leaves mine in place", world.read_here(here("notes.txt")), "mine at last\n")

-- Ports.
local extra = world.free_port()
hears = hearing()
run(("forward add %d:%d"):format(extra, app_port))
hears("forward add is told", tostring(extra))
check.eventually("the new forward works", function()
  return world.page("127.0.0.1:" .. extra, "/page.txt"):find("mine")
end)
local opened
local ui_open = vim.ui.open
vim.ui.open = function(url)
  opened = url
end
run("open " .. extra)
check.same("a forward is opened in the browser", opened, ("http://127.0.0.1:%d/"):format(extra))
world.write_here(here("client.py"), ("get('http://localhost:%d/')\n"):format(app_port))
vim.cmd.edit(here("client.py"))
vim.fn.search("localhost")
check.eventually("its file is attached", function()
  return vim.lsp.get_clients({ name = "towline", bufnr = 0 })[1]
end)
opened = nil
run("open")
check.that(
  "the link under the cursor is the local end",
  opened and opened:find("//localhost:"),
  opened
)
vim.ui.open = ui_open
hears = hearing()
local _, restore_ignore = answer({ "Write it into .gitignore" })
run("sync ignore client.py")
hears("ignore is told, after a question", "/client.py is not synced any more")
restore_ignore()
check.same("it is in .gitignore", world.read_here(here(".gitignore")), "/client.py\n")
vim.cmd.edit(here("page.txt"))
run("forward list")
check.eventually("forwards are listed in the quickfix window", function()
  return vim.bo.buftype == "quickfix" and #vim.fn.getqflist() == 2, vim.fn.getqflist()
end)
check.that("with addresses to open", lines():find("http://127.0.0.1:" .. extra), lines())
vim.cmd.cclose()
check.eventually("open forwards are completed", function()
  local found = vim.fn.getcompletion("Towline forward remove " .. extra, "cmdline")
  return #found == 1, found
end)
hears = hearing()
run(("forward remove %d:%d"):format(extra, app_port))
hears("forward remove is told", "closed the forward")
check.that("it is closed", world.page("127.0.0.1:" .. extra, "/page.txt") == "")

-- Terminals.
local function terminal_says(name, pattern)
  check.eventually(name, function()
    return lines():find(pattern), lines()
  end)
end
run("shell")
check.same("shell opens a terminal", vim.bo.buftype, "terminal")
local job = vim.bo.channel
vim.fn.chansend(job, "echo $((6 * 7)) in $PWD\n")
terminal_says("the shell runs commands in the synced directory", "42 in .*" .. world.place)
vim.fn.chansend(job, "exit\n")
-- Neovim 0.11 spins when a terminal is wiped out that input is still on its way to.
terminal_says("and ends", "Process exited 0")
vim.cmd.stopinsert()
vim.cmd.bwipeout({ bang = true })

run(("exec sh -c 'echo %s:2: oops'"):format(there("notes.txt")))
terminal_says("exec shows what its command prints", "notes.txt:2: oops")
vim.cmd.stopinsert()
vim.fn.search("notes.txt")
local terminal = vim.api.nvim_get_current_win()
press("gf")
check.same("gf goes to the local file", vim.api.nvim_buf_get_name(0), here("notes.txt"))
vim.api.nvim_win_close(terminal, true)

run("logs")
terminal_says("logs show the app's output", "listening on " .. app_port)
world.page(address, "/not-there.txt")
terminal_says("and follow it", "not%-there.txt")
vim.cmd.bwipeout({ bang = true })

run("ps")
terminal_says("the processes are listed", "ATTACH")
run("debug nobody")
terminal_says("a process that is not there is said so", "nobody")
run("doctor")
terminal_says("doctor answers", "leftovers")
vim.cmd.bwipeout({ bang = true })

-- Files of the target.
local outside = "/tmp/outside.conf"
world.write_there(outside, "a\r\nb\r\n")
check.eventually("remote paths are completed", function()
  local found = vim.fn.getcompletion("Towline edit /tmp/outs", "cmdline")
  return found[1] == outside, found
end)
run("edit " .. outside)
local remote = vim.api.nvim_buf_get_name(0)
check.same("a remote file has a name", remote, "towline://shop" .. outside)
check.same("its lines are read", lines(), "a\nb")
check.same("its line ends are known", vim.bo.fileformat, "dos")
check.same("its type is known", vim.bo.filetype, "conf")
vim.api.nvim_buf_set_lines(0, 1, 2, false, { "c" })
vim.cmd("silent write")
check.that("it is saved", not vim.bo.modified)
check.same("as it was but for the edit", world.read_there(outside), "a\r\nc\r\n")
world.write_there(outside, "somebody else's\n")
vim.api.nvim_buf_set_lines(0, 1, 2, false, { "d" })
hears = hearing()
vim.cmd("silent! write")
hears("what somebody wrote since is not written over", "changed on the target")
check.same("it is still there", world.read_there(outside), "somebody else's\n")
vim.cmd("silent write!")
check.same(":w! does it", world.read_there(outside), "a\r\nd\r\n")
run("edit " .. world.place .. "/")
check.that("a directory is listed", lines():find("page.txt"), lines())
vim.fn.search("page.txt")
press("<CR>")
check.same("an entry is opened", lines(), "one\nmine\nthree")
run("edit fresh.txt")
check.same("a file that is not there is empty", lines(), "")
vim.api.nvim_buf_set_lines(0, 0, -1, false, { "new" })
vim.cmd("silent write")
check.eventually("it is made there and synced here", function()
  return world.read_here(here("fresh.txt")) == "new\n"
end)
vim.cmd.edit(here("page.txt"))

-- The app and the hub.
hears = hearing()
run("restart")
hears("restart is told", "runs again")
check.eventually("the app was started twice", function()
  return status().app.starts == 2, status().app
end)
local hub = status().pid
vim.uv.kill(hub, "sigkill")
check.eventually("the hub is dead", function()
  return not world.alive(hub)
end)
check.eventually("a killed hub comes back by itself", function()
  local now = status()
  return now and now.pid ~= hub and now.readiness.state == "ready", towline.status()
end)
vim.api.nvim_buf_set_lines(0, 0, -1, false, { "after the hub" })
vim.cmd("silent write")
check.eventually("and syncs", function()
  return world.read_there(there("page.txt")) == "after the hub\n"
end)

-- Lenses.
world.write_here(here("towline.yaml"), ("target: %s\n"):format(world.target))
vim.cmd.edit(here("towline.yaml"))
check.eventually("towline.yaml has lenses", function()
  local lenses = vim.lsp.codelens.get(vim.api.nvim_get_current_buf())
  return vim.iter(lenses):any(function(lens)
    return lens.command and lens.command.command == "towline.logs"
  end),
    lenses
end)
local _, restore_lens = answer({ "logs" })
vim.lsp.codelens.run()
restore_lens()
check.same("a lens shows the logs in a terminal", vim.bo.buftype, "terminal")
terminal_says("with what the app said", "listening on")
vim.cmd.bwipeout({ bang = true })
vim.fn.delete(here("towline.yaml"))
vim.cmd.bwipeout({ here("towline.yaml"), bang = true })
vim.cmd.edit(here("page.txt"))

-- Health.
vim.cmd("checkhealth towline")
for what, text in
  vim.spairs({
    ["the program"] = "OK towline ",
    ["the workspace"] = "runs for " .. world.workspace,
    ["what doctor found"] = "inotify",
  })
do
  check.that("the health tells " .. what, lines():find(text, 1, true), lines())
end
vim.cmd.bwipeout()
local adapter, problem = towline.dap_adapter()
check.that("a debugger is there or it is told why not", adapter or problem)

-- Down, and up again by the picker.
hears = hearing()
run("down")
hears("down is told", "towline: down")
check.eventually("nothing is up", function()
  return towline.statusline() == "towline: not up", towline.statusline()
end)
check.same("the app does not answer", world.page(address, "/page.txt"), "")
hears = hearing()
asked, restore = answer(vim.list_extend(world.picks, { world.place, tostring(app_port) }))
run("connect")
hears("the picker brings it up", "up, ")
restore()
check.that("by few questions", #asked <= 6, asked)
check.eventually("it is ready again", function()
  local now = status()
  return now and now.readiness.state == "ready" and #now.forwards == 1, towline.status()
end)
hears = hearing()
run("down")
hears("it is down again", "towline: down")

local command, verbs = require("towline.command"), require("towline.verbs")
local unused = {}
for name, verb in pairs(verbs) do
  for _, sub in ipairs(verb.verbs and command.names(verb.verbs) or { false }) do
    local full = sub and ("%s-%s"):format(name, sub) or name
    if not used[full] then
      table.insert(unused, full)
    end
  end
end
check.same("every command was used", unused, {})
