// Owns the run of the unit tests: bundles each of tests/, since Node runs no TypeScript, and gives
// them to node:test. They cover pure modules only, so nothing stands in for VS Code.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const out = mkdtempSync(join(tmpdir(), "towline-unit-"));
try {
    const tests = readdirSync("tests").filter((name) => name.endsWith(".test.ts"));
    await build({
        entryPoints: tests.map((name) => join("tests", name)),
        outdir: out,
        outExtension: { ".js": ".mjs" },
        bundle: true,
        platform: "node",
        format: "esm",
        target: "node20",
        sourcemap: "inline",
        logLevel: "warning",
    });
    const files = readdirSync(out).map((name) => join(out, name));
    const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=dot", ...files], { stdio: "inherit" });
    process.exitCode = status ?? 1;
} finally {
    rmSync(out, { recursive: true });
}
