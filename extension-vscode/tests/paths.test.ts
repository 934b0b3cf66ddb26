// Owns the checks of finding remote paths in text and of the files here that they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { localOf, placesIn, rootsOf } from "../src/paths";
import { status, sync } from "./sample";

const roots = rootsOf({ ...status, syncs: [sync, { ...sync, name: "lib", alpha: "/w/lib", beta: "/app/vendor/" }] });

function found(text: string): [remote: string, line?: number | undefined, column?: number | undefined][] {
    return placesIn(text, roots).map(({ remote, line, column }) => [remote, line, column]);
}

test("the innermost root decides", () => {
    assert.equal(localOf("/app/a/b.py", roots), "/w/a/b.py");
    assert.equal(localOf("/app/vendor/x.js", roots), "/w/lib/x.js");
    assert.equal(localOf("/app", roots), "/w");
    assert.equal(localOf("/apple/x", roots), undefined);
    assert.equal(localOf("/etc/hosts", roots), undefined);
});

test("positions as compilers and stack traces write them", () => {
    assert.deepEqual(found("/app/x.py"), [["/app/x.py", undefined, undefined]]);
    assert.deepEqual(found("/app/src/main.rs:12:5: error"), [["/app/src/main.rs", 12, 5]]);
    assert.deepEqual(found('  File "/app/x.py", line 7, in <module>'), [["/app/x.py", 7, undefined]]);
    assert.deepEqual(found("    at f (/app/index.js:3:9)"), [["/app/index.js", 3, 9]]);
    assert.deepEqual(found("/app/a.ts(4,2): error TS1"), [["/app/a.ts", 4, 2]]);
    assert.deepEqual(found("\t/app/main.go:41 +0x1d"), [["/app/main.go", 41, undefined]]);
});

test("several in a line, in order, each once", () => {
    assert.deepEqual(found("diff /app/a /app/vendor/b.js:2."), [
        ["/app/a", undefined, undefined],
        ["/app/vendor/b.js", 2, undefined],
    ]);
});

test("what only looks like one is none", () => {
    assert.deepEqual(found("/myapp/x /other/app/x.py /apple/x /app /app/ "), []);
    assert.deepEqual(found("see /app/readme."), [["/app/readme", undefined, undefined]]);
});

test("the part of the line that is a link", () => {
    const [place] = placesIn("at (/app/i.js:3:9)", roots);
    assert.deepEqual([place?.start, place?.length], [4, "/app/i.js:3:9".length]);
});

test("on this machine processes say the whole path", () => {
    const local = rootsOf({ ...status, target: "local:/there" });
    assert.equal(localOf("/there/app/x.py", local), "/w/x.py");
    assert.equal(localOf("/app/x.py", local), "/w/x.py");
    assert.deepEqual(placesIn("/there/app/x.py:1", local).map(({ remote }) => remote), ["/there/app/x.py"]);
});
