//! The pure core of a hub-agent link: states, backoff and liveness, with `now` injected.
