-- Runs the test files in order inside this Neovim.

local here = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
package.path = here .. "/?.lua;" .. package.path

local check = require("check")
for _, name in ipairs({ "parts", "pickers", "settings", "bare", "journey" }) do
  check.run(("%s/%s.lua"):format(here, name))
end
check.done()
