// Owns the .vsix: puts the two programs beside the bundle and packs all of it for one platform.
// usage: package.mjs [PLATFORM]     as VS Code names it [default: this machine's]
import { chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { createVSIX } from "@vscode/vsce";

/** What programs of a platform have in their head, and Cargo's name for it. */
const PLATFORMS = {
    "linux-x64": { machine: 62, triple: "x86_64-unknown-linux-gnu" },
    "linux-arm64": { machine: 183, triple: "aarch64-unknown-linux-gnu" },
};

const platform = process.argv[2] ?? `${process.platform}-${process.arch}`;
const wanted = PLATFORMS[platform];
if (wanted === undefined) {
    console.error(`there is no towline for ${platform}, but for ${Object.keys(PLATFORMS).join(", ")}`);
    process.exit(1);
}
const binaries = resolve(process.env["TOWLINE_BIN_DIR"] ?? "../target/release");
const programs = {
    towline: join(binaries, "towline"),
    // The static one: it also goes into containers.
    "towline-agent": resolve(
        process.env["TOWLINE_AGENT_BIN"] ?? join(binaries, "..", wanted.triple, "release/towline-agent"),
    ),
};

const missing = Object.values(programs).filter((path) => !existsSync(path));
if (missing.length > 0) {
    console.error(`not built yet: ${missing.join(", ")}`);
    console.error("build them first: cargo build --release && cargo agent-static");
    console.error("or say where they are: TOWLINE_BIN_DIR, TOWLINE_AGENT_BIN");
    process.exit(1);
}
const foreign = Object.values(programs).filter((path) => machineOf(path) !== wanted.machine);
if (foreign.length > 0) {
    console.error(`not for ${platform}: ${foreign.join(", ")}`);
    console.error(`build them for ${wanted.triple} and say where they are: TOWLINE_BIN_DIR, TOWLINE_AGENT_BIN`);
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

/** The processor that an ELF program is for; undefined for what is none. */
function machineOf(path) {
    const head = Buffer.alloc(20);
    const file = openSync(path, "r");
    readSync(file, head);
    closeSync(file);
    return head.toString("latin1", 0, 4) === "\x7fELF" ? head.readUInt16LE(18) : undefined;
}
