-- The questions of `:Towline connect` on the way to a container, with a server that
-- answers from a table: which come, in which order, and what is brought up.

local answer = require("answer")
local check = require("check")

local client, up = require("towline.client"), require("towline.up")
local execute, start = client.execute, up.start

--- Connects with these answers of the server and these choices of the person.
---@return table? argument what is brought up
---@return string[] asked
local function connect(answers, choices)
  local argument
  client.execute = function(name, _, on_done, on_failure)
    if answers[name] then
      on_done(answers[name])
    else
      on_failure(name .. " is not there")
    end
  end
  up.start = function(found)
    argument = found
  end
  local asked, restore = answer(choices)
  vim.cmd("Towline connect")
  check.that(
    "every question is asked",
    vim.wait(5000, function()
      return argument or #choices == 0
    end, 1)
  )
  -- What follows the last answer takes a few turns of the loop, and nothing else.
  for _ = 1, 5 do
    local turned = false
    vim.schedule(function()
      turned = true
    end)
    vim.wait(1000, function()
      return turned
    end, 1)
  end
  restore()
  client.execute, up.start = execute, start
  return argument, asked
end

local cluster = {
  contexts = {
    contexts = {
      { name = "prod", namespace = "default", current = false },
      { name = "dev", namespace = "shop", current = true },
    },
  },
  namespaces = { namespaces = { "default", "shop" } },
  list = {
    workloads = {
      { workload = "deploy/db", ready = 1, pods = 1, containers = { "db" }, ports = {} },
      {
        workload = "deploy/api",
        ready = 2,
        pods = 3,
        containers = { "app", "proxy" },
        ports = { 8080, 9090 },
        cwd = "/srv",
      },
    },
  },
}

check.same(
  "a container is reached by five choices, its ports and directory are offered",
  connect(cluster, { "dev", "shop", "deploy/api  2/3 ready", "app", "<default>", "<default>" }),
  {
    context = "dev",
    namespace = "shop",
    target = "deploy/api",
    container = "app",
    sync = { ".:/srv" },
    forward = { "8080", "9090" },
  }
)

local argument, asked = connect(cluster, { "dev", "shop", "deploy/db", "/data", "" })
check.same("the only container needs no choice", #asked, 5)
check.same("what is typed is taken", argument, {
  context = "dev",
  namespace = "shop",
  target = "deploy/db",
  container = "db",
  sync = { ".:/data" },
})

local forbidden = vim.tbl_extend("force", cluster, {
  namespaces = { namespaces = {}, problem = "you may not list namespaces" },
})
argument, asked = connect(forbidden, { "dev", "<default>", "deploy/db", "", "" })
check.same("without the right to list them the context's own namespace is offered", argument, {
  context = "dev",
  namespace = "shop",
  target = "deploy/db",
  container = "db",
})
check.that("and it is said why", asked[2]:find("may not list"), asked)

local from = #check.said + 1
local empty = vim.tbl_extend("force", cluster, { list = { workloads = {} } })
check.same("nothing is brought up from an empty namespace", connect(empty, { "dev", "shop" }), nil)
check.hears("and that is said", "the namespace shop has no workloads", from)

from = #check.said + 1
check.same("without contexts there is this machine", connect({}, { "this machine", "/", "", "" }), {
  target = "local:/",
})
check.hears("and why there are none", "contexts is not there", from)

for left = 1, 6 do
  local choices = { "dev", "shop", "deploy/api", "proxy", "/app", "8080" }
  choices = vim.list_slice(choices, 1, left - 1)
  table.insert(choices, false)
  check.same(("leaving question %d brings nothing up"):format(left), connect(cluster, choices), nil)
end

local yaml = client.root() .. "/towline.yaml"
vim.fn.writefile({ "sync: []" }, yaml)
check.same("towline.yaml says what is synced", connect(cluster, { "dev", "shop", "deploy/db" }), {
  context = "dev",
  namespace = "shop",
  target = "deploy/db",
  container = "db",
})
vim.fn.delete(yaml)
