// Owns the checks that package.json and the code name the same commands and settings.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

interface Manifest {
    readonly contributes: {
        readonly commands: readonly { readonly command: string; readonly title: string }[];
        readonly configuration: { readonly properties: Readonly<Record<string, unknown>> };
    };
}

const text = readFileSync("package.json", "utf8");
const { contributes } = JSON.parse(text) as Manifest;
const source = readdirSync("src")
    .map((name) => readFileSync(join("src", name), "utf8"))
    .join("\n");
const contributed = new Set(contributes.commands.map(({ command }) => command));

test("each contributed command has a handler", () => {
    const handled = new Set(Array.from(source.matchAll(/"(towline\.\w+)": \(/g), ([, name]) => name));
    assert.deepEqual([...contributed].filter((command) => !handled.has(command)), []);
});

test("each command that a menu, a welcome or a walkthrough names is contributed", () => {
    const named = Array.from(text.matchAll(/(?:"command": "|command:|onCommand:)(towline\.[\w.]+)/g), ([, name]) => name ?? "");
    // VS Code makes a focus command of each view.
    assert.deepEqual(named.filter((name) => !contributed.has(name) && !name.endsWith(".focus")), []);
});

test("each command and each setting is used on the way through a real VS Code", () => {
    const journey = readFileSync("../tests/editors/vscode/journey.mjs", "utf8");
    // What a title says behind a bracket or as an ellipsis is not typed.
    const typed = contributes.commands.map(({ title }) => title.replace(/…$| \(.*/, ""));
    // Which program opens an address is the system's matter.
    assert.deepEqual(typed.filter((title) => !journey.includes(title)), ["Open Forwarded Port in Browser"]);
    const settings = Object.keys(contributes.configuration.properties).map((name) => name.slice("towline.".length));
    // The language client reads that one.
    assert.deepEqual(settings.filter((name) => !journey.includes(`"${name}"`)), ["trace.server"]);
});

test("each setting is read, here or by the language client", () => {
    const names = Object.keys(contributes.configuration.properties).map((name) => name.slice("towline.".length));
    const unread = names.filter((name) => name !== "trace.server" && !source.includes(`("${name}", `));
    assert.deepEqual(unread, []);
});
