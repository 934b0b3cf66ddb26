// Owns the checks of how places where a text was found are listed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { matchItems } from "../src/search_items";

test("a place is named by its file and line, with the line itself", () => {
    const match = { path: "/etc/app.conf", line: 3, column: 2, text: "  port = 80" };
    assert.deepEqual(matchItems([match]), [{ label: "app.conf:3", description: "/etc/", detail: "port = 80", match }]);
});
