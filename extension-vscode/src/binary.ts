// Owns finding a `towline` program that runs.

import { execFile, type ExecFileException } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import * as vscode from "vscode";
import { choose, type Candidate } from "./version";

/** How long `towline --version` may take: it does nothing but print. */
const PATIENCE_MS = 10_000;

/** No program runs; the message says which was tried and why it does not. */
export class NoBinary extends Error {}

/** Finds the program. Rejects with NoBinary. */
export async function findBinary(extension: vscode.Uri): Promise<string> {
    const setting = vscode.workspace.getConfiguration("towline").get<string>("path", "");
    if (setting !== "") {
        const path = setting.replace(/^~(?=\/)/, homedir());
        await runs(path, "towline.path says so");
        return path;
    }
    const bundled = vscode.Uri.joinPath(extension, "bin", "towline").fsPath;
    const onPath = await firstOnPath();
    if (onPath === undefined) {
        await runs(bundled, "it came with the extension");
        return bundled;
    }
    const [ours, theirs] = await Promise.all([candidate(bundled), candidate(onPath)]);
    const chosen = choose(ours, theirs);
    if (chosen.printed === undefined) await runs(chosen.path, "it came with the extension");
    return chosen.path;
}

async function runs(path: string, why: string): Promise<void> {
    try {
        await version(path);
    } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new NoBinary(`${path} does not run (${why}): ${reason}`);
    }
}

async function candidate(path: string): Promise<Candidate> {
    return { path, printed: await version(path).catch(() => undefined) };
}

function version(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
        execFile(path, ["--version"], { timeout: PATIENCE_MS }, (error, stdout) => {
            if (error !== null) reject(new Error(reasonOf(error)));
            else resolve(stdout);
        });
    });
}

/** The system's words for the usual reasons are no words. */
function reasonOf(error: ExecFileException): string {
    switch (error.code) {
        case "ENOENT":
            return "there is no such file";
        case "EACCES":
            return "it is not executable";
        default:
            return error.killed === true ? `it said nothing for ${PATIENCE_MS / 1000} s` : error.message;
    }
}

async function firstOnPath(): Promise<string | undefined> {
    // An empty part of PATH means the current directory, which here is nobody's choice.
    const directories = (process.env["PATH"] ?? "").split(delimiter).filter((part) => part !== "");
    for (const directory of directories) {
        const path = join(directory, "towline");
        const found = await access(path, constants.X_OK).then(
            () => true,
            () => false,
        );
        if (found) return path;
    }
    return undefined;
}
