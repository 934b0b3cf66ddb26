//! One hub per workspace.
