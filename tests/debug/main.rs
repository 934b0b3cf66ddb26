//! Debuggers at real processes that were started with no debug flag, by real adapters. Needs
//! python3, node, go, gcc and what `tests/debuggers/install.sh` installs.

mod languages;
mod python;
mod safety;
mod world;
