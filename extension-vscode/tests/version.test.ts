// Owns the checks of the choice between two programs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, isNewer, parseVersion } from "../src/version";

const bundled = (printed: string | undefined): { path: string; printed: string | undefined } => ({ path: "/bundled", printed });
const onPath = (printed: string | undefined): { path: string; printed: string | undefined } => ({ path: "/path", printed });

test("a version is three numbers behind the name", () => {
    assert.deepEqual(parseVersion("towline 0.1.0\n"), [0, 1, 0]);
    assert.deepEqual(parseVersion("towline 1.20.3-rc.1"), [1, 20, 3]);
    assert.equal(parseVersion("git version 2.39.5"), undefined);
    assert.equal(parseVersion(""), undefined);
});

test("versions are compared as numbers", () => {
    assert.ok(isNewer([0, 10, 0], [0, 9, 9]));
    assert.ok(!isNewer([0, 9, 9], [0, 10, 0]));
    assert.ok(!isNewer([1, 0, 0], [1, 0, 0]));
});

test("only a newer one on PATH wins over the bundled one", () => {
    const cases: [ours: string | undefined, theirs: string | undefined, chosen: string][] = [
        ["towline 0.1.0", "towline 0.2.0", "/path"],
        ["towline 0.2.0", "towline 0.1.0", "/bundled"],
        ["towline 0.1.0", "towline 0.1.0", "/bundled"],
        ["towline 0.1.0", undefined, "/bundled"],
        ["towline 0.1.0", "another program of that name", "/bundled"],
        [undefined, "towline 0.1.0", "/path"],
        [undefined, undefined, "/bundled"],
    ];
    for (const [ours, theirs, chosen] of cases) {
        assert.equal(choose(bundled(ours), onPath(theirs)).path, chosen, `${String(ours)} against ${String(theirs)}`);
    }
    assert.equal(choose(bundled("towline 0.1.0"), undefined).path, "/bundled");
});
