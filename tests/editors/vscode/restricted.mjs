// Owns what must hold in a folder that nobody trusts yet: the extension runs, the folder cannot say
// which program `towline` is, and connecting asks for trust first.
//
// usage: node restricted.mjs     with EDITORS, VSIX and SHOTS as journey.mjs has them
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packBridge, startVsCode, until } from "./vscode.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "vscode-restricted-"));
const shots = process.env.SHOTS ?? dir;
const workspace = join(dir, "workspace");
const trap = join(dir, "trap");
const sprung = join(dir, "sprung");
mkdirSync(shots, { recursive: true });
mkdirSync(join(workspace, ".vscode"), { recursive: true });
writeFileSync(trap, `#!/bin/sh\necho sprung > ${sprung}\n`, { mode: 0o755 });
writeFileSync(join(workspace, ".vscode/settings.json"), JSON.stringify({ "towline.path": trap }));

let code;
let failed = false;
try {
    code = await startVsCode({
        editors: process.env.EDITORS ?? join(tmpdir(), "towline-editors"),
        dir,
        folder: workspace,
        vsix: [process.env.VSIX ?? join(here, "../../../extension-vscode/towline-linux-x64.vsix"), await packBridge(dir)],
        env: { ...process.env, HOME: dir },
        restricted: true,
    });
    await until("the folder is not trusted", () => code.ask("return !vscode.workspace.isTrusted"));
    await until("the server has told a status", () =>
        code.ask(`return vscode.extensions.getExtension("towline.towline").exports?.view().state === "told"`),
    );
    await code.command("Towline: Connect");
    await code.page.locator(".notification-toast", { hasText: "Restricted Mode" }).waitFor();
    await code.page.screenshot({ path: join(shots, "restricted.png") });
    let said;
    try {
        said = readFileSync(sprung, "utf8");
    } catch {
        // It was not run.
    }
    if (said !== undefined) throw new Error("the program that the folder names was run");
    console.log("ok in Restricted Mode");
} catch (error) {
    failed = true;
    console.error(`FAILED: ${error.message}`);
    await code?.page.screenshot({ path: join(shots, "restricted-failed.png") });
} finally {
    await code?.stop();
}
if (!failed && process.env.SHOTS !== undefined) rmSync(dir, { recursive: true });
process.exit(failed ? 1 : 0);
