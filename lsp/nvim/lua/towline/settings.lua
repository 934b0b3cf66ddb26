-- What the user may set, with what holds when nothing is set. `setup` writes it,
-- everything else only reads.

return {
  -- The program: a name on the PATH, or a path.
  binary = "towline",
  -- Whether the language server starts by itself in a workspace.
  enable = true,
  -- Whether ]x and [x go to the next and the previous conflict.
  keys = true,
  -- Whether the code lenses of the server are shown.
  codelens = true,
  -- The Ex command that opens the window of a terminal.
  terminal = "botright 15split",
}
