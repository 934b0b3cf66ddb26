// Owns the whole way of a user through the extension, in a real VS Code and by keyboard: install,
// connect by the picker, edit, conflict, terminal, remote file, a killed hub, disconnect.
//
// usage: node journey.mjs
//   EDITORS   what install.sh made                         [default: /tmp/towline-editors]
//   VSIX      the extension                                [default: the one of `npm run package`]
//   TARGET    local, or CONTEXT/NAMESPACE/WORKLOAD[/CONTAINER] of the kubeconfig  [default: local]
//   REMOTE_DIR, REMOTE_PORT, PAGE   for Kubernetes: the directory that is served, the port that
//             serves it, and the file to ask for           [default: /app, 8080, index.html]
//   SHOTS     where screenshots go                         [default: a new directory]
//   TOWLINE   another program than the one in the .vsix (the setting towline.path)
//
// Ends with 1 and one line that says why at the first thing that is not so.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, packBridge, startVsCode, until } from "./vscode.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const extension = join(here, "../../../extension-vscode");
const editors = process.env.EDITORS ?? join(tmpdir(), "towline-editors");
const vsix = process.env.VSIX ?? join(extension, "towline-linux-x64.vsix");
const target = process.env.TARGET ?? "local";
const page = process.env.PAGE ?? "index.html";
const dir = mkdtempSync(join(tmpdir(), "vscode-journey-"));
const shots = process.env.SHOTS ?? join(dir, "shots");
const workspace = join(dir, "workspace");
const there = join(dir, "there");
for (const path of [shots, workspace, join(there, "app"), join(there, "etc")]) mkdirSync(path, { recursive: true });

// HOME is moved, so that neither the editor nor the hub meets what the user has.
const environment = { ...process.env, HOME: dir, KUBECONFIG: process.env.KUBECONFIG ?? join(homedir(), ".kube/config") };
let towline = process.env.TOWLINE;
let code;
let step = "start";

/** Runs `towline` as a user at a terminal would, beside the editor. */
function cli(...words) {
    return execFileSync(towline, ["-C", workspace, ...words], { encoding: "utf8", env: environment });
}

function status() {
    return JSON.parse(cli("status", "--json"));
}

/** Where the app runs: how it is picked, and its files as its own processes see them. */
function targetOf(name) {
    if (name === "local") {
        return {
            shown: "there",
            directory: "/app",
            pick: async (port, remote) => {
                await code.choose("Where does it run?", "This machine");
                await code.chooseFolder("The directory that the app runs in", there);
                await code.answer("Which directory", "/app");
                await code.answer("Which ports", `${port}:${remote}`);
                await code.answer("What shall run there?", `exec python3 -m http.server --bind 127.0.0.1 ${remote}`);
            },
            read: (path) => readFileSync(there + path, "utf8"),
            write: (path, text) => writeFileSync(there + path, text),
            empty: () => {
                // As `rm -rf *` does it.
                const names = readdirSync(join(there, "app")).filter((name) => !name.startsWith("."));
                for (const name of names) rmSync(join(there, "app", name), { recursive: true });
            },
            note: "/etc/note.conf",
        };
    }
    const [context, namespace, ...rest] = name.split("/");
    const [kind, workload, container] = rest;
    const directory = process.env.REMOTE_DIR ?? "/app";
    return {
        shown: `${kind}/${workload}`,
        directory,
        pick: async (port, remote) => {
            await code.choose("Where does it run?", "Kubernetes");
            await code.choose("Which cluster?", context);
            await code.choose("Which namespace?", namespace);
            await code.choose("Which workload?", `${kind}/${workload}`);
            if (container !== undefined) await code.choose("Which container?", container);
            await code.answer("Which directory", directory);
            await code.answer("Which ports", `${port}:${remote}`);
        },
        read: (path) => cli("exec", "--", "cat", path),
        write: (path, text) => cli("exec", "--", "sh", "-c", 'printf %s "$1" > "$2"', "sh", text, path),
        empty: () => cli("exec", "--", "sh", "-c", 'rm -rf "$1"/*', "sh", directory),
        note: "/tmp/note.conf",
    };
}

async function shot(name) {
    await code.page.screenshot({ path: join(shots, `${name}.png`) });
}

/** The same in each kind of theme. */
async function shotInThemes(name) {
    for (const [theme, mark, suffix] of [
        ["Default High Contrast", "hc-black", "contrast"],
        ["Default Light Modern", "vs", "light"],
        ["Default Dark Modern", "vs-dark", "dark"],
    ]) {
        await code.theme(theme, mark);
        await shot(`${name}-${suffix}`);
    }
}

const steps = {
    "the .vsix is installed and says that nothing is up": async () => {
        code = await startVsCode({
            editors,
            dir,
            folder: workspace,
            vsix: [vsix, await packBridge(dir)],
            env: environment,
            settings: towline === undefined ? {} : { "towline.path": towline },
        });
        await code.statusBar("Towline").waitFor();
        await until("the extension is active", () => code.ask(`return vscode.extensions.getExtension("towline.towline").isActive`));
        const installed = readdirSync(code.extensions).find((name) => name.startsWith("towline.towline-"));
        towline ??= join(code.extensions, installed, "bin/towline");
        const { activationMs } = await code.ask(`return vscode.extensions.getExtension("towline.towline").exports`);
        console.log(`   activation ${activationMs.toFixed(1)} ms`);
        if (activationMs > 100) throw new Error(`activation took ${activationMs} ms`);
        await code.command("Towline: Focus on Session View");
        await code.page.locator(".pane-body a.monaco-button", { hasText: "Connect" }).waitFor();
        await shot("welcome");
    },
    "the picker connects": async () => {
        await code.command("Towline: Connect");
        await code.page.locator(".quick-input-list .monaco-list-row", { hasText: "Kubernetes" }).waitFor();
        await shot("picker");
        await place.pick(port, remotePort);
        await code.statusBar(`${place.shown} · `).waitFor();
        await until("everything is in sync", () => status().readiness.state === "ready");
    },
    "the view shows the target, its port, the sync": async () => {
        await code.command("Towline: Focus on Session View");
        for (const text of ["Ports", `localhost:${port}`, "Sync ", "in sync", "Open Terminal", "Browse Target Files"]) {
            await code.row(text).waitFor();
        }
        await shotInThemes("view");
    },
    "a saved edit is on the page behind the forwarded port": async () => {
        await code.open(page);
        await code.page.keyboard.press("Control+A");
        await code.page.keyboard.type("<p>edited in the editor</p>");
        await code.page.keyboard.press("Control+S");
        await until("the page has the edit", async () =>
            (await (await fetch(`http://127.0.0.1:${port}/${page}`)).text()).includes("edited in the editor"),
        );
        await code.row(`${page}to target`).waitFor();
    },
    "a conflict is shown and resolved from the diff editor": async () => {
        const name = "both.txt";
        await makeConflict(name);
        await code.command("Towline: Show Conflict");
        await code.page.locator(".monaco-diff-editor .view-line", { hasText: "theirs" }).first().waitFor();
        await code.page.locator(".monaco-diff-editor .view-line", { hasText: "mine" }).first().waitFor();
        await code.page.locator(".editor-actions [aria-label^='Keep Mine']").first().waitFor();
        await shotInThemes("conflict");
        await code.command("Towline: Keep Theirs");
        await until("the target's content is here", () => readFileSync(join(workspace, name), "utf8") === "one\ntheirs\nthree\n");
        await until("no conflict is left", () => status().syncs.every(({ conflicts }) => conflicts === 0));
        await code.page.locator(".monaco-diff-editor").waitFor({ state: "detached" });
        await code.statusBar(`${place.shown} · `).waitFor();
    },
    "one's own side of a conflict is kept, both are, and what lost comes back": async () => {
        await makeConflict("mine.txt");
        await code.command("Towline: Keep Mine");
        await until("mine is there", () => place.read(`${place.directory}/mine.txt`) === "one\nmine\nthree\n");
        await code.command("Towline: Bring Back What Sync Displaced Last");
        await code.page.locator(".notification-toast", { hasText: "Brought back" }).waitFor();
        await code.clear();
        await makeConflict("two.txt");
        await code.command("Towline: Keep Both");
        await until("both are here", () => readdirSync(workspace).filter((name) => name.startsWith("two")).length === 2);
        await code.statusBar(`${place.shown} · `).waitFor();
    },
    "the brake holds mass deletions until one decides": async () => {
        place.empty();
        await code.row("held by the brake").waitFor();
        await code.statusBar("sync held").waitFor();
        await shot("brake");
        await code.command("Towline: Resume Sync");
        await code.choose("is held", "Restore");
        await until("the files are back there", () => place.read(`${place.directory}/both.txt`) === "one\ntheirs\nthree\n");
        await code.row("in sync").waitFor();
    },
    "the terminal is the target's": async () => {
        await code.command("Towline: Open Terminal on Target");
        const terminal = code.page.locator(".terminal-wrapper.active .xterm-rows");
        await terminal.waitFor();
        await until("the terminal has the focus", () =>
            code.page.evaluate(() => document.activeElement?.classList.contains("xterm-helper-textarea")),
        );
        await until("the shell is there", async () => /[$#]\s*$/.test(await terminal.innerText()));
        await code.page.keyboard.type(`hostname; echo marker-$((40+2)) | tee marker.txt\n`);
        await until("its output is seen", async () => (await terminal.innerText()).includes("marker-42"));
        await until("its file came here", () => readFileSync(join(workspace, "marker.txt"), "utf8") === "marker-42\n");
        await code.page.keyboard.type(`echo error in ${place.directory}/both.txt:2:3\n`);
        await openLink(terminal, `${place.directory}/both.txt:2:3`);
        await until("the link leads to line 2, column 3", async () => {
            const place = await code.ask(
                "const e = vscode.window.activeTextEditor; return [e.document.uri.fsPath, e.selection.active.line, e.selection.active.character]",
            );
            return place[0] === join(workspace, "both.txt") && place[1] === 1 && place[2] === 2;
        });
        await shot("terminal");
        await code.command("Terminal: Kill the Active Terminal Instance");
        await code.page.locator(".part.panel .xterm").waitFor({ state: "detached" });
    },
    "the app's log is an output": async () => {
        await code.command("Towline: Show App Log");
        if (target === "local") await code.page.locator(".output-view .view-line", { hasText: "GET /" }).first().waitFor();
        await shot("log");
        await code.command("View: Hide Panel");
    },
    "files of the target that are not synced are opened, edited, made, renamed, deleted": async () => {
        place.write(place.note, "remote\n");
        await code.command("Towline: Open Target File");
        await code.answer("Open a file of the target", place.note);
        await until("it is in the editor", () =>
            code.ask(`return vscode.window.activeTextEditor?.document.uri.toString() === ${JSON.stringify(`towline:${place.note}`)}`),
        );
        await code.page.keyboard.press("Control+Home");
        await code.page.keyboard.type("edited ");
        await code.page.keyboard.press("Control+S");
        await until("the target has it", () => place.read(place.note) === "edited remote\n");
        await code.command("Towline: Browse Target Files");
        await code.row("etc").waitFor();
        const folder = dirname(place.note);
        const names = await code.ask(`
            const { Uri, workspace: { fs } } = vscode;
            const at = (path) => Uri.from({ scheme: "towline", path: ${JSON.stringify(folder)} + "/made" + path });
            await fs.createDirectory(at(""));
            await fs.writeFile(at("/a"), Buffer.from("made"));
            await fs.rename(at("/a"), at("/b"));
            const names = (await fs.readDirectory(at(""))).map(([name]) => name);
            await fs.delete(at(""), { recursive: true });
            return [names, Buffer.from((await fs.readFile(Uri.from({ scheme: "towline", path: ${JSON.stringify(place.note)} })))).toString()];
        `);
        if (JSON.stringify(names) !== JSON.stringify([["b"], "edited remote\n"])) throw new Error(`the target's files: ${JSON.stringify(names)}`);
    },
    "in their view, too": async () => {
        const folder = dirname(place.note);
        const there = (name) => place.read(`${folder}/${name}`);
        // Room for the files: their view has the place of the other one.
        await code.page.locator(".pane-header", { hasText: "Session" }).click();
        await code.command("Towline: Focus on Target Files View");
        await code.row(basename(folder)).click();
        await code.row(basename(place.note)).waitFor();
        await code.contextMenu(basename(folder), "New Target File");
        await code.answer("New file", "made.conf");
        await until("the file is there, and empty", () => there("made.conf") === "");
        await code.contextMenu("made.conf", "Rename Target File");
        await code.answer("New name", "renamed.conf");
        await until("it has another name", () => there("renamed.conf") === "");
        await code.contextMenu("renamed.conf", "Delete Target File");
        await code.page.locator(".monaco-dialog-box a.monaco-button", { hasText: "Delete" }).click();
        await code.row("renamed.conf").waitFor({ state: "detached" });
        place.write(`${folder}/later.conf`, "later\n");
        await code.command("Towline: Refresh Target Files");
        await code.row("later.conf").waitFor();
        await shot("files");
        await code.command("Towline: Focus on Session View");
        await code.row("in sync").waitFor();
    },
    "a text is looked for in files of the target": async () => {
        await code.command("Towline: Search in Target Files");
        await code.answer("Look for a text", "edited rem");
        await code.answer("in which directory", dirname(place.note));
        await code.page.locator(".quick-input-list .monaco-list-row", { hasText: `${basename(place.note)}:1` }).waitFor();
        await shot("search");
        await code.choose("edited rem", `${basename(place.note)}:1`);
        await until("it is in the editor at what was found", async () => {
            const [uri, line] = await code.ask(
                "const e = vscode.window.activeTextEditor; return [e?.document.uri.toString(), e?.selection.active.line]",
            );
            return uri === `towline:${place.note}` && line === 0;
        });
    },
    "the sync of a file is explained, the app is restarted, the menu is open": async () => {
        await code.open("both.txt");
        await code.command("Towline: Explain Sync of This File");
        await code.page.locator(".notification-toast", { hasText: "in sync" }).waitFor();
        await code.clear();
        if (target === "local") {
            await code.command("Towline: Restart App");
            await code.row("runs, started 2 times").waitFor();
        }
        await code.command("Towline: Copy Address of Forwarded Port");
        await until("the address is in the clipboard", async () => (await code.ask("return vscode.env.clipboard.readText()")) === `localhost:${port}`);
        await code.statusBar(`${place.shown} · `).click();
        await code.choose("Towline: ", "Show the View");
        await code.command("Towline: Show Menu");
        await code.choose("Towline: ", "Show the View");
        await code.row("in sync").waitFor();
    },
    "the language server starts again, which the output tells": async () => {
        await code.command("Towline: Restart the Language Server");
        await code.command("Towline: Show the Extension's Output");
        await code.page.locator(".output-view .view-line", { hasText: "Server process exited" }).first().waitFor();
        await code.statusBar(`${place.shown} · `).waitFor();
        await code.command("View: Hide Panel");
    },
    "a port that is listened at is found, offered where one wants that, stopped and added": async () => {
        await code.command("Towline: Stop Forwarding Port");
        await until("it is closed", () => status().forwards.length === 0);
        // The editor's server hears of it a moment later than the command line.
        await code.row("none forwarded").waitFor();
        if (target === "local") {
            // Every port of this machine would be one of such a target, so none is.
            await code.command("Towline: Look for Listening Ports");
            await code.page.locator(".notification-toast", { hasText: "Nothing on the target listens" }).waitFor();
            await code.clear();
        } else {
            await detectPort();
        }
        await code.command("Towline: Forward a Port");
        await code.answer("Forward a port", `${port}:${remotePort}`);
        await until("it is open", () => status().forwards.length === 1);
        await code.row(`localhost:${port}`).waitFor();
    },
    "a killed hub comes back": async () => {
        const { pid } = status();
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("towline")) throw new Error(`process ${pid} is no hub`);
        process.kill(pid, "SIGKILL");
        // Not by the command line, which would start one by itself.
        await until("the editor sees another hub", async () => {
            const { status: now } = await code.ask(`return vscode.extensions.getExtension("towline.towline").exports.view()`);
            return now !== null && now !== undefined && now.pid !== pid && now.readiness.state === "ready";
        });
        await code.statusBar(`${place.shown} · `).waitFor();
        await until("the page is there again", async () => (await fetch(`http://127.0.0.1:${port}/${page}`)).ok);
    },
    "the recent target is the first of the picker": async () => {
        await code.command("Towline: Connect");
        await code.page.locator(".quick-input-list .monaco-list-row.focused .codicon-history").waitFor();
        await shot("recent");
        await code.page.keyboard.press("Escape");
        await code.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
    },
    "disconnecting ends everything": async () => {
        await code.command("Towline: Disconnect");
        await code.page.locator(".pane-body a.monaco-button", { hasText: "Connect" }).waitFor();
        await until("nothing answers at the port", () =>
            fetch(`http://127.0.0.1:${port}/`).then(
                () => false,
                () => true,
            ),
        );
        await until("nothing is up", () => isDown());
        await shot("disconnected");
    },
    "the walkthrough ends in a running demo": async () => {
        await code.ask(`await vscode.commands.executeCommand("workbench.action.openWalkthrough", "towline.towline#start", false)`);
        await code.page.locator(".getting-started-step", { hasText: "Everything is in one view" }).first().waitFor();
        await shot("walkthrough");
        await code.command("Towline: Run the Demo");
        const terminal = code.page.locator(".terminal-wrapper.active .xterm-rows");
        await until("the demo is up", async () => (await terminal.innerText()).includes("Ctrl-C ends the demo"));
        await shot("demo");
        await until("the terminal has the focus", () =>
            code.page.evaluate(() => document.activeElement?.classList.contains("xterm-helper-textarea")),
        );
        await code.page.keyboard.press("Control+C");
        await until("the demo is gone", () => code.ask("return vscode.window.terminals.length === 0"));
    },
    "nothing was said that nobody asked for": async () => {
        const toasts = await code.page.locator(".notification-toast").allInnerTexts();
        if (toasts.length > 0) throw new Error(`notifications: ${toasts.join(" | ")}`);
    },
    "a program that does not run is told with a way out": async () => {
        const set = (path) => code.ask(`await vscode.workspace.getConfiguration("towline").update("path", ${path}, true)`);
        await set(JSON.stringify(join(dir, "missing/towline")));
        await code.page.locator(".statusbar-item", { hasText: "Towline" }).locator(".codicon-error").waitFor();
        await code.page.locator(".pane-body a.monaco-button", { hasText: "Show Why" }).waitFor();
        await code.command("Towline: Show Why the Program Does Not Run");
        const message = code.page.locator(".notification-toast", { hasText: "missing/towline does not run" });
        await message.locator("a.monaco-button", { hasText: "Open Settings" }).waitFor();
        await shot("broken");
        await set(process.env.TOWLINE === undefined ? "undefined" : JSON.stringify(process.env.TOWLINE));
        await code.page.locator(".pane-body a.monaco-button", { hasText: "Connect" }).waitFor();
    },
};

/** Something listens at a port that is not forwarded: it is seen, and offered if one wants that. */
async function detectPort() {
    await code.command("Towline: Look for Listening Ports");
    await code.row(`${remotePort}detected`).waitFor();
    await shot("detected");
    await code.ask(`await vscode.workspace.getConfiguration("towline").update("detectPorts", "notify", true)`);
    await code.command("Towline: Look for Listening Ports");
    const offer = code.page.locator(".notification-toast", { hasText: `port ${remotePort}` });
    await offer.locator("a.monaco-button", { hasText: "Forward" }).click();
    await until("it is forwarded", () => status().forwards.length === 1);
    await code.ask(`await vscode.workspace.getConfiguration("towline").update("detectPorts", undefined, true)`);
    await code.command("Towline: Stop Forwarding Port");
    await code.row("none forwarded").waitFor();
    await code.clear();
}

/** Changes a file on both sides at once, which leaves exactly one conflict. */
async function makeConflict(name) {
    writeFileSync(join(workspace, name), "one\ntwo\nthree\n");
    await until("the file is there", () => place.read(`${place.directory}/${name}`).startsWith("one"));
    await code.command("Towline: Pause Sync");
    await code.row("paused").waitFor();
    writeFileSync(join(workspace, name), "one\nmine\nthree\n");
    place.write(`${place.directory}/${name}`, "one\ntheirs\nthree\n");
    await code.command("Towline: Resume Sync");
    await code.statusBar("1 conflict").waitFor();
    await code.row(name).waitFor();
}

function isDown() {
    try {
        return status().readiness.state === "idle";
    } catch (error) {
        // Exit code 3 says that nothing is up.
        return error.status === 3;
    }
}

/** Follows a link of the terminal as a user does, by Ctrl+click. */
async function openLink(terminal, text) {
    const line = terminal.locator("span", { hasText: text }).last();
    await line.waitFor();
    await until(`${text} is a link`, async () => {
        const box = await line.boundingBox();
        const content = await line.innerText();
        const x = box.x + (box.width * (content.indexOf(text) + text.length / 2)) / content.length;
        await code.page.mouse.move(x, box.y + box.height / 2 + 1);
        await code.page.mouse.move(x, box.y + box.height / 2);
        await code.page.keyboard.down("Control");
        await code.page.mouse.click(x, box.y + box.height / 2);
        await code.page.keyboard.up("Control");
        return code.ask(`return vscode.window.activeTextEditor?.document.uri.path.endsWith("/both.txt")`);
    });
}

const place = targetOf(target);
const port = await freePort();
const remotePort = target === "local" ? await freePort() : Number(process.env.REMOTE_PORT ?? 8080);
let failed = false;
const began = Date.now();
try {
    if (target === "local") writeFileSync(join(workspace, page), "<p>first</p>\n");
    for (const [name, run] of Object.entries(steps)) {
        step = name;
        const from = Date.now();
        await run();
        console.log(`ok ${name} (${Date.now() - from} ms)`);
    }
    console.log(`everything in ${((Date.now() - began) / 1000).toFixed(1)} s; screenshots in ${shots}`);
} catch (error) {
    failed = true;
    console.error(`FAILED: ${step}: ${error.message}`);
    if (code !== undefined) await shot("failed").catch(() => undefined);
    console.error(`screenshots in ${shots}, what the editor said in ${dir}/*.log`);
} finally {
    await code?.stop();
    if (towline !== undefined && !isDown()) cli("down");
}
if (!failed && process.env.SHOTS !== undefined && existsSync(dir)) rmSync(dir, { recursive: true });
process.exit(failed ? 1 : 0);
