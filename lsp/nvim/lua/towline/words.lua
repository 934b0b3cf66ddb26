-- Splits what follows `:Towline` into words, as a shell would: quotes and
-- backslashes keep blanks. Pure.

local M = {}

--- The words of `text`. An open quote ends with the text, as in a word that is
--- being typed.
---@param text string
---@return string[] words
---@return boolean open whether a quote is
function M.split(text)
  local words, word, quote = {}, nil, nil
  local index = 1
  while index <= #text do
    local char = text:sub(index, index)
    if quote then
      if char == quote then
        quote = nil
      elseif char == "\\" and quote == '"' and text:find('^["\\]', index + 1) then
        index = index + 1
        word = word .. text:sub(index, index)
      else
        word = word .. char
      end
    elseif char == "'" or char == '"' then
      quote, word = char, word or ""
    elseif char == "\\" and index < #text then
      index = index + 1
      word = (word or "") .. text:sub(index, index)
    elseif char:find("%s") then
      table.insert(words, word)
      word = nil
    else
      word = (word or "") .. char
    end
    index = index + 1
  end
  table.insert(words, word)
  return words, quote ~= nil
end

--- Writes a word so that it is split into itself.
---@param word string
---@return string
function M.quote(word)
  if word ~= "" and not word:find("[%s'\"\\]") then
    return word
  end
  return (word:gsub("([%s'\"\\])", "\\%1"))
end

return M
