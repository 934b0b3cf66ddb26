// Owns the checks of what the status bar says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { barOf } from "../src/bar";
import type { Conflict, Status } from "../src/protocol";
import { conflict, status, sync } from "./sample";

function bar(status: Status | null, conflicts: readonly Conflict[] = [], error: string | null = null): ReturnType<typeof barOf> {
    return barOf({ state: "told", root: "file:///w", status, conflicts, error });
}

test("state, latency and carrier of a link that is up", () => {
    assert.equal(bar(status).text, "$(link) deploy/api · 2.6 ms · udp");
    assert.equal(bar(status).severity, "none");
    assert.match(bar(status).spoken, /^Towline, deploy\/api · 2\.6 ms · udp, /);
});

test("nothing is up", () => {
    for (const idle of [null, { ...status, readiness: { state: "idle" as const } }]) {
        assert.deepEqual([bar(idle).text, bar(idle).severity], ["$(link) Towline", "none"]);
    }
    assert.equal(bar(null, [], "the hub is of another version").severity, "warning");
});

test("each trouble is said with its reason", () => {
    const cases: [Partial<Status>, RegExp, string][] = [
        [{ link: { state: "connecting", step: "handshake" } }, /deploy\/api: connecting$/, "none"],
        [{ link: { state: "reconnecting", reason: "gone", attempt: 2 } }, /reconnecting$/, "warning"],
        [{ link: { state: "down", reason: "no pod" } }, /link is down$/, "error"],
        [{ readiness: { state: "failed", code: "usage", reason: "no", help: "try" } }, /failed$/, "error"],
        [{ syncs: [{ ...sync, phase: { phase: "braked", reason: "12 deletions" } }] }, /sync held/, "warning"],
        [
            {
                readiness: { state: "failed", code: "conflict", reason: "the sync app stopped", help: "resume it" },
                syncs: [{ ...sync, phase: { phase: "braked", reason: "12 deletions" } }],
            },
            /sync held/,
            "warning",
        ],
        [{ readiness: { state: "pending", waiting_for: "the first sync of app" } }, /sync~spin/, "none"],
    ];
    for (const [change, text, severity] of cases) {
        const { text: said, severity: told } = bar({ ...status, ...change });
        assert.match(said, text);
        assert.equal(told, severity, said);
    }
    assert.match(bar({ ...status, syncs: [{ ...sync, phase: { phase: "braked", reason: "12 deletions" } }] }).tooltip, /12 deletions/);
});

test("conflicts are counted", () => {
    assert.equal(bar(status, [conflict]).text, "$(warning) deploy/api: 1 conflict · 2.6 ms · udp");
});

test("without a server or a folder it says so", () => {
    assert.equal(barOf({ state: "broken", reason: "/x does not run" }).severity, "error");
    assert.match(barOf({ state: "broken", reason: "/x does not run" }).tooltip, /\/x does not run/);
    assert.equal(barOf({ state: "noFolder" }).severity, "none");
});
