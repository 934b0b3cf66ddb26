// Owns `towline:/path`: files as the target has them, for editors and extensions.

import { posix } from "node:path";
import * as vscode from "vscode";
import { Failure } from "./failure";
import type { FileKind } from "./protocol";
import type { Session } from "./session";

export const SCHEME = "towline";

export class RemoteFiles implements vscode.FileSystemProvider {
    readonly #session: Session;
    readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
    readonly onDidChangeFile = this.#changed.event;

    constructor(session: Session) {
        this.#session = session;
    }

    /** What changes on the target by itself is seen when it is asked for again. */
    watch(): vscode.Disposable {
        return new vscode.Disposable(() => undefined);
    }

    async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
        const answer = this.#session.command("towline.file.stat", { path: uri.path }).catch(async (error: unknown) => {
            // VS Code makes what is not there, and gives up on any other failure.
            throw (await this.#isMissing(uri.path)) ? vscode.FileSystemError.FileNotFound(uri) : error;
        });
        const { kind, size, mtime_us } = await refused(answer);
        const mtime = Math.floor(mtime_us / 1000);
        return { type: fileType(kind), size, mtime, ctime: mtime };
    }

    async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
        const { entries } = await refused(this.#session.command("towline.file.list", { path: uri.path }));
        return entries.map(({ name, kind }) => [name, fileType(kind)]);
    }

    async readFile(uri: vscode.Uri): Promise<Uint8Array> {
        const { base64 } = await refused(this.#session.command("towline.file.read", { path: uri.path }));
        return Buffer.from(base64, "base64");
    }

    async writeFile(uri: vscode.Uri, content: Uint8Array, options: { create: boolean; overwrite: boolean }): Promise<void> {
        const base64 = Buffer.from(content).toString("base64");
        await refused(this.#session.command("towline.file.write", { path: uri.path, base64, ...options }));
        this.#changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
    }

    async createDirectory(uri: vscode.Uri): Promise<void> {
        await refused(this.#session.command("towline.file.mkdir", { path: uri.path }));
        this.#changed.fire([{ type: vscode.FileChangeType.Created, uri }]);
    }

    async delete(uri: vscode.Uri, { recursive }: { recursive: boolean }): Promise<void> {
        await refused(this.#session.command("towline.file.delete", { path: uri.path, recursive }));
        this.#changed.fire([{ type: vscode.FileChangeType.Deleted, uri }]);
    }

    async rename(from: vscode.Uri, to: vscode.Uri, { overwrite }: { overwrite: boolean }): Promise<void> {
        await refused(this.#session.command("towline.file.rename", { from: from.path, to: to.path, overwrite }));
        this.#changed.fire([
            { type: vscode.FileChangeType.Deleted, uri: from },
            { type: vscode.FileChangeType.Created, uri: to },
        ]);
    }

    /** Whether there is nothing at a path, which the directories above it tell. */
    async #isMissing(path: string): Promise<boolean> {
        if (path === "/" || this.#session.connected === undefined) return false;
        const { dir, base } = posix.parse(path);
        const listed = await this.#session.command("towline.file.list", { path: dir }).catch(() => undefined);
        return listed === undefined ? this.#isMissing(dir) : !listed.entries.some(({ name }) => name === base);
    }
}

function fileType(kind: FileKind): vscode.FileType {
    switch (kind) {
        case "file":
            return vscode.FileType.File;
        case "directory":
            return vscode.FileType.Directory;
        case "link":
            return vscode.FileType.SymbolicLink | vscode.FileType.File;
        case "other":
            return vscode.FileType.Unknown;
    }
}

/** Failures in VS Code's words. */
async function refused<Result>(answer: Promise<Result>): Promise<Result> {
    try {
        return await answer;
    } catch (error) {
        if (!(error instanceof Failure)) throw error;
        const away = error.code === "not_up" || error.code === "unreachable";
        throw away ? vscode.FileSystemError.Unavailable(error.message) : new vscode.FileSystemError(error.message);
    }
}
