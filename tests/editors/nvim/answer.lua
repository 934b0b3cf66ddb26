-- Answers the questions that are asked through `vim.ui`, in order, as a person would.

--- `choices` are parts of what is shown in a list, or what is typed; `false` leaves
--- the question.
---@param choices (string|false)[]
---@return string[] asked the prompts so far
---@return fun() restore
return function(choices)
  local select, input = vim.ui.select, vim.ui.input
  local asked = {}
  local function next_choice(prompt)
    table.insert(asked, prompt)
    return table.remove(choices, 1)
  end
  vim.ui.select = function(items, options, on_choice)
    local wanted = next_choice(options.prompt)
    local format = options.format_item or tostring
    for index, item in ipairs(items) do
      if wanted and format(item):find(wanted, 1, true) then
        return on_choice(item, index)
      end
    end
    on_choice(nil)
  end
  vim.ui.input = function(options, on_answer)
    local typed = next_choice(options.prompt)
    on_answer(typed == "<default>" and options.default or typed or nil)
  end
  return asked, function()
    vim.ui.select, vim.ui.input = select, input
  end
end
