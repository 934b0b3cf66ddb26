//! Ways to reach an agent's bootstrap channel.
