// Owns the checks of the Connect picker's words and of the argument of `up`.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
    contextItems,
    directoryProblem,
    firstItems,
    namespaceItems,
    parsePorts,
    portsProblem,
    RECENT_MAX,
    remember,
    upOf,
    workloadItems,
} from "../src/connect_items";
import type { Up } from "../src/protocol";

test("recent targets come first, then the file, then the ways", () => {
    const recent: Up[] = [{ target: "deploy/api", namespace: "shop", sync: [".:/app"], forward: ["8080"] }];
    assert.deepEqual(firstItems(recent, true).map(({ value }) => value.kind), ["recent", "file", "local", "kubernetes"]);
    assert.equal(firstItems(recent, true)[0]?.description, "in shop · /app · 8080");
    assert.deepEqual(firstItems([], false).map(({ value }) => value.kind), ["local", "kubernetes"]);
});

test("each target is remembered once, the last one first", () => {
    const one: Up = { target: "deploy/api", forward: ["1"] };
    const again: Up = { target: "deploy/api", forward: ["2"] };
    const other: Up = { target: "deploy/api", namespace: "shop" };
    assert.deepEqual(remember([other, one], again), [again, other]);
    const many = Array.from({ length: RECENT_MAX }, (_, index) => ({ target: `pod/${index}` }));
    assert.equal(remember(many, one).length, RECENT_MAX);
});

test("the current context and the context's own namespace come first", () => {
    const contexts = contextItems([
        { name: "a", namespace: "x", current: false },
        { name: "b", namespace: null, current: true },
    ]);
    assert.deepEqual(contexts.map(({ label }) => label), ["b", "a"]);
    assert.deepEqual(contexts.map(({ description }) => description), ["current · default", "x"]);
    const namespaces = namespaceItems("shop", ["default", "shop"], null);
    assert.deepEqual(namespaces.map(({ value }) => value), ["shop", "default", null]);
    assert.equal(namespaceItems("shop", [], "not allowed").at(-1)?.detail, "not allowed");
});

test("workloads that cannot be connected to come last and say why", () => {
    const workload = { pods: 1, ready: 1, containers: ["app"], ports: [8080], cwd: null, agents: [], workspaces: [] };
    const items = workloadItems([
        { ...workload, workload: "deploy/bad", problem: "no pod is ready" },
        { ...workload, workload: "deploy/good", problem: null },
    ]);
    assert.deepEqual(items.map(({ value }) => value.workload), ["deploy/good", "deploy/bad"]);
    assert.equal(items[0]?.description, "1 of 1 pod ready · 8080");
    assert.equal(items[1]?.detail, "no pod is ready");
});

test("ports are a list; what the server cannot read is said at once", () => {
    assert.deepEqual(parsePorts(" 8080, 9090:5432  db:6379 "), ["8080", "9090:5432", "db:6379"]);
    assert.equal(portsProblem(""), undefined);
    assert.equal(portsProblem("8080 9090:5432 5353:10.0.0.2:53/udp svc/db:5432 [::1]:80"), undefined);
    assert.match(portsProblem("8080 http://x") ?? "", /^http:\/\/x is none/);
});

test("a directory is absolute and not the root", () => {
    assert.equal(directoryProblem("/app"), undefined);
    assert.notEqual(directoryProblem("app"), undefined);
    assert.notEqual(directoryProblem("/"), undefined);
});

test("answers become the argument of up", () => {
    assert.deepEqual(upOf({ target: "local:/there", directory: "/app", ports: "", command: "python3 app.py | tee log" }), {
        target: "local:/there",
        sync: [".:/app"],
        forward: [],
        command: ["sh", "-c", "python3 app.py | tee log"],
    });
    assert.deepEqual(
        upOf({ target: "deploy/api", context: "kind", namespace: "shop", container: "app", directory: "/srv", ports: "8080", command: " " }),
        { target: "deploy/api", context: "kind", namespace: "shop", container: "app", sync: [".:/srv"], forward: ["8080"] },
    );
});
