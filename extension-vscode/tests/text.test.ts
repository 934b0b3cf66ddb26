// Owns the checks of how numbers are written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { count, duration, notTaken, shortTarget, size } from "../src/text";

test("durations take the unit that fits", () => {
    assert.deepEqual([0, 999, 2605, 999_949, 1_500_000].map(duration), ["0 µs", "999 µs", "2.6 ms", "999.9 ms", "1.5 s"]);
});

test("sizes take the unit that fits", () => {
    assert.deepEqual([0, 1023, 1024, 717_210, 5 * 1024 ** 3].map(size), ["0 B", "1023 B", "1.0 KiB", "700.4 KiB", "5.0 GiB"]);
});

test("a way that is not taken is named as the command line does", () => {
    assert.deepEqual(notTaken({ tunnel: "no right" }), [["port-forward", "no right"]]);
    assert.deepEqual(notTaken({ udp: "no answer", tunnel: "no right" }).map(([way]) => way), ["UDP", "port-forward"]);
});

test("one has no plural", () => {
    assert.deepEqual([0, 1, 2].map((number) => count(number, "file")), ["0 files", "1 file", "2 files"]);
});

test("a target is cut to what fits into a line", () => {
    assert.equal(shortTarget("local:/home/ada/there"), "there");
    assert.equal(shortTarget("local:/"), "local:/");
    assert.equal(shortTarget("deploy/api -c app -n shop"), "deploy/api");
});
