-- Every verb of `:Towline`: what it is for, what does it, what completes it.
-- The help's list of commands is tested against this one.

---@class towline.Verb
---@field about string
---@field run? fun(words: string[]): string? returns what is wrong with the words
---@field complete? fun(before: string[], lead: string): string[] may return too much
---@field verbs? table<string, towline.Verb>

local client = require("towline.client")

--- What only asks the server and says a word on success.
---@param name string without `towline.`
---@param said fun(result: any): string
local function ask(name, said)
  return function(words)
    if #words > 0 then
      return ("`%s` takes no arguments"):format(name)
    end
    client.execute(name, nil, function(result)
      vim.notify("towline: " .. said(result))
    end)
  end
end

--- A function of another file, loaded when it is called.
local function of(file, name)
  return function(...)
    return require("towline." .. file)[name](...)
  end
end

---@type table<string, towline.Verb>
return {
  connect = {
    about = "pick where to: this machine, or context, namespace, workload, container",
    run = of("connect", "run"),
  },
  up = { about = "bring the workspace up", run = of("up", "run"), complete = of("up", "complete") },
  down = { about = "end everything on both sides", run = of("up", "down") },
  status = { about = "show how everything is", run = of("float", "open") },
  restart = {
    about = "stop and start the app",
    run = ask("restart", function(result)
      return "the app " .. (result.app.state == "running" and "runs again" or result.app.state)
    end),
  },
  forward = {
    about = "bring ports of the target to localhost",
    verbs = {
      add = {
        about = "open forwards",
        run = of("forwards", "add"),
        complete = of("forwards", "complete_add"),
      },
      list = { about = "list them in the quickfix window", run = of("forwards", "list") },
      remove = {
        about = "close forwards",
        run = of("forwards", "remove"),
        complete = of("forwards", "complete_remove"),
      },
    },
  },
  sync = {
    about = "look at syncs and decide for them",
    verbs = {
      pause = {
        about = "carry nothing until resume",
        run = of("syncs", "pause"),
        complete = of("syncs", "complete_name"),
      },
      resume = {
        about = "go on after a pause or a brake",
        run = of("syncs", "resume"),
        complete = of("syncs", "complete_resume"),
      },
      wait = {
        about = "say when every edit is on both sides",
        run = of("syncs", "wait"),
        complete = of("syncs", "complete_name"),
      },
      why = {
        about = "explain what is decided for a path",
        run = of("syncs", "why"),
        complete = of("paths", "complete_local"),
      },
      undo = {
        about = "bring back what a sync displaced",
        run = of("syncs", "undo"),
        complete = of("paths", "complete_local"),
      },
    },
  },
  conflicts = {
    about = "list conflicts in the quickfix window",
    run = of("conflicts", "list"),
  },
  diff = {
    about = "show a file beside the target's version",
    run = of("conflicts", "run_diff"),
    complete = of("conflicts", "complete_path"),
  },
  keep = {
    about = "end a conflict: mine, theirs or both stay",
    run = of("conflicts", "keep"),
    complete = of("conflicts", "complete_keep"),
  },
  logs = { about = "follow the app's output", run = of("terminal", "logs") },
  shell = {
    about = "open a shell beside the app",
    run = of("terminal", "run_shell"),
    complete = of("remote", "complete_directory"),
  },
  exec = { about = "run a command beside the app", run = of("terminal", "exec") },
  edit = {
    about = "edit a file of the target",
    run = of("remote", "edit"),
    complete = of("remote", "complete"),
  },
  doctor = {
    about = "look for usual causes of trouble and for leftovers",
    run = of("terminal", "doctor"),
    complete = function()
      return { "--fix" }
    end,
  },
}
