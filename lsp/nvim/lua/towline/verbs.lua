-- Every verb of `:Towline`: what it is for, what does it, what completes it.
-- The help's list of commands is tested against this one.

---@class towline.Verb
---@field about string
---@field run? fun(words: string[]): string? returns what is wrong with the words
---@field complete? fun(before: string[], lead: string): string[] may return too much
---@field verbs? table<string, towline.Verb>

--- A verb that another file does, which is loaded when it is used.
---@param about string
---@param file string
---@param run string
---@param complete? string a function of the same file, or of another one: `paths.local`
---@return towline.Verb
local function verb(about, file, run, complete)
  local function of(name)
    local from, what = name:match("^(%l+)%.(.*)$")
    return function(...)
      return require("towline." .. (from or file))[what or name](...)
    end
  end
  return { about = about, run = of(run), complete = complete and of(complete) }
end

--- A verb with verbs of its own.
---@param about string
---@param verbs table<string, towline.Verb>
---@return towline.Verb
local function group(about, verbs)
  return { about = about, verbs = verbs }
end

---@type table<string, towline.Verb>
return {
  connect = verb(
    "pick where to: this machine, or context, namespace, workload, container",
    "connect",
    "run"
  ),
  up = verb("bring the workspace up", "up", "run", "complete"),
  down = verb("end everything on both sides", "up", "down"),
  status = verb("show how everything is", "float", "open"),
  restart = verb("stop and start the app", "up", "restart"),
  forward = group("bring ports of the target to localhost", {
    add = verb("open forwards", "forwards", "add", "complete_add"),
    list = verb("list them in the quickfix window", "forwards", "list"),
    remove = verb("close forwards", "forwards", "remove", "complete_remove"),
  }),
  open = verb(
    "open a link, or a forward in the browser",
    "links",
    "run",
    "forwards.complete_remove"
  ),
  sync = group("look at syncs and decide for them", {
    pause = verb("carry nothing until resume", "syncs", "pause", "complete_name"),
    resume = verb("go on after a pause or a brake", "syncs", "resume", "complete_resume"),
    wait = verb("say when every edit is on both sides", "syncs", "wait", "complete_name"),
    why = verb("explain what is decided for a path", "syncs", "why", "paths.complete_local"),
    undo = verb("bring back what a sync displaced", "syncs", "undo", "paths.complete_local"),
    ignore = verb("never sync a path", "syncs", "ignore", "paths.complete_local"),
  }),
  conflicts = verb("list conflicts in the quickfix window", "conflicts", "list"),
  diff = verb("show a file beside the target's version", "conflicts", "run_diff", "complete_path"),
  keep = verb("end a conflict: mine, theirs or both stay", "conflicts", "keep", "complete_keep"),
  logs = verb("follow the app's output", "terminal", "logs"),
  shell = verb("open a shell beside the app", "terminal", "run_shell", "remote.complete_directory"),
  exec = verb("run a command beside the app", "terminal", "exec"),
  edit = verb("edit a file of the target", "remote", "edit", "complete"),
  ps = verb("show the target's processes", "terminal", "ps", "complete_ps"),
  debug = verb("tell how to attach a debugger", "terminal", "debug"),
  doctor = verb(
    "look for usual causes of trouble and for leftovers",
    "terminal",
    "doctor",
    "complete_doctor"
  ),
}
