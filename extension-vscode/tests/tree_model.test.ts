// Owns the checks of what the Session view shows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodesOf, type Node } from "../src/tree_model";
import { conflict, forward, status, sync } from "./sample";

function node(nodes: readonly Node[], id: string): Node {
    const found = nodes.flatMap(function all(one): Node[] {
        return [one, ...(one.children ?? []).flatMap(all)];
    }).find((one) => one.id === id);
    assert.ok(found, `no node ${id}`);
    return found;
}

test("the roots, in order", () => {
    assert.deepEqual(
        nodesOf(status, [], []).map(({ id }) => id),
        ["target", "ports", "sync/app", "app", "terminal", "files"],
    );
});

test("ids are unique", () => {
    const nodes = nodesOf(status, [conflict], [{ port: 9090, address: "0.0.0.0", forwarded: false }]);
    const ids = nodes.flatMap(function all(one): string[] {
        return [one.id, ...(one.children ?? []).flatMap(all)];
    });
    assert.equal(new Set(ids).size, ids.length);
});

test("a forward says where it is, and what is odd about it", () => {
    const plain = node(nodesOf(status, [], []), "forward/8080");
    assert.deepEqual([plain.label, plain.description, plain.context], ["localhost:8080", "→ localhost:8080", "forward"]);
    const odd = { ...forward, local: ["127.0.0.1:8081"], instead_of: 8080, protocol: "udp" as const };
    const drawn = node(nodesOf({ ...status, forwards: [odd] }, [], []), "forward/8080");
    assert.deepEqual([drawn.label, drawn.icon, drawn.context], ["localhost:8081", "warning", "forward.udp"]);
    assert.match(drawn.description ?? "", /8080 was taken/);
});

test("a port that listens is offered unless it is forwarded", () => {
    const ports = [
        { port: 8080, address: "0.0.0.0", forwarded: true },
        { port: 9090, address: "127.0.0.1", forwarded: false },
    ];
    const labels = node(nodesOf(status, [], ports), "ports").children?.map(({ label }) => label);
    assert.deepEqual(labels, ["localhost:8080", "9090"]);
});

test("a conflict is under its sync and opens by a click", () => {
    const nodes = nodesOf(status, [conflict], []);
    assert.equal(node(nodes, "sync/app").description, "1 conflict, in sync, 3 files, 2.0 KiB");
    assert.equal(node(nodes, "conflict/app/a/b.txt").command, "towline.showConflict");
});

test("a brake is said and can be let go", () => {
    const braked = { ...sync, phase: { phase: "braked" as const, reason: "all 12 files were deleted there" } };
    const drawn = node(nodesOf({ ...status, syncs: [braked] }, [], []), "sync/app");
    assert.deepEqual([drawn.context, drawn.icon], ["sync.held", "warning"]);
    assert.equal(drawn.children?.[0]?.label, "all 12 files were deleted there");
});

test("recent edits have their latency", () => {
    assert.equal(node(nodesOf(status, [], []), "sync/app/recent/0").description, "to target, 3.5 ms");
});

test("how the app is", () => {
    const command = ["python3", "app.py"];
    const cases: [NonNullable<typeof status.app>, string, string][] = [
        [{ command, state: "running", pid: 7, starts: 3 }, "runs, started 3 times · python3 app.py", "play-circle"],
        [{ command, state: "exited", code: 1, signal: null, starts: 1 }, "ended with status 1 · python3 app.py", "error"],
        [{ command, state: "exited", code: null, signal: 9, starts: 1 }, "ended by signal 9 · python3 app.py", "error"],
        [{ command: ["sh", "-c", "a | b"], state: "waiting" }, "waits for the first sync · a | b", "clock"],
        [{ command, state: "failed", reason: "not found" }, "could not be started: not found · python3 app.py", "error"],
    ];
    for (const [app, description, icon] of cases) {
        const drawn = node(nodesOf({ ...status, app }, [], []), "app");
        assert.deepEqual([drawn.description, drawn.icon], [description, icon]);
    }
    assert.ok(!nodesOf({ ...status, app: null }, [], []).some(({ id }) => id === "app"));
});
