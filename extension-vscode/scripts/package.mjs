// Owns the .vsix: puts the two programs beside the bundle and packs all of it for one platform.
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { createVSIX } from "@vscode/vsce";

const platform = "linux-x64";
const binaries = resolve(process.env["TOWLINE_BIN_DIR"] ?? "../target/release");
const programs = {
    towline: join(binaries, "towline"),
    // The static one: it also goes into containers.
    "towline-agent": resolve(
        process.env["TOWLINE_AGENT_BIN"] ?? join(binaries, "../x86_64-unknown-linux-gnu/release/towline-agent"),
    ),
};

const missing = Object.values(programs).filter((path) => !existsSync(path));
if (missing.length > 0) {
    console.error(`not built yet: ${missing.join(", ")}`);
    console.error("build them first: cargo build --release && cargo agent-static");
    console.error("or say where they are: TOWLINE_BIN_DIR, TOWLINE_AGENT_BIN");
    process.exit(1);
}
rmSync("bin", { recursive: true, force: true });
mkdirSync("bin");
for (const [name, path] of Object.entries(programs)) {
    copyFileSync(path, join("bin", name));
    chmodSync(join("bin", name), 0o755);
}
await createVSIX({
    target: platform,
    packagePath: `towline-${platform}.vsix`,
    // Everything is in the bundle.
    dependencies: false,
    // The page links to nothing that would have to be rewritten, and the source has no public address.
    allowMissingRepository: true,
    rewriteRelativeLinks: false,
});
