//! Decides per path. Pure: observations, outcomes and `now` in, effects out.
