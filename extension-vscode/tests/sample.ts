// Owns a status for tests: a whole one, of which each test changes what it is about.
import type { Conflict, Forward, Status, Sync } from "../src/protocol";

export const sync: Sync = {
    name: "app",
    alpha: "/w",
    beta: "/app",
    on_change: "nothing",
    phase: { phase: "in_sync" },
    files: 3,
    bytes: 2048,
    pending: 0,
    pending_bytes: 0,
    applied_beta: 1,
    applied_alpha: 0,
    conflicts: 0,
    problems: [],
    degraded: [],
    recent: [{ path: "a.txt", direction: "to target", latency_us: 3500 }],
};

export const forward: Forward = {
    spec: "8080",
    local: ["127.0.0.1:8080", "[::1]:8080"],
    remote: "localhost:8080",
    protocol: "tcp",
    instead_of: null,
    open: 0,
    total: 2,
    bytes_out: 10,
    bytes_in: 2048,
    last_error: null,
};

export const status: Status = {
    schema: 1,
    version: "0.1.0",
    pid: 1,
    workspace: "/w",
    readiness: { state: "ready" },
    target: "deploy/api -n shop",
    link: { state: "up", carrier: "udp", bootstrap: "exec", rtt_us: 2605, passed: {} },
    syncs: [sync],
    forwards: [forward],
    app: { command: ["python3", "app.py"], state: "running", pid: 7, starts: 1 },
    hooks: [],
    warnings: [],
};

export const conflict: Conflict = {
    sync: "app",
    path: "a/b.txt",
    local: "edited",
    target: "deleted",
    uri: "file:///w/a/b.txt",
    remote: "/app/a/b.txt",
};
