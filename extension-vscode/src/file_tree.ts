// Owns the Target Files view: browsing what the target has, with its few actions on files.

import { existsSync } from "node:fs";
import * as vscode from "vscode";
import { localOf, rootsOf } from "./paths";
import { SCHEME } from "./remote_files";
import type { Session } from "./session";

export interface Entry {
    readonly uri: vscode.Uri;
    readonly name: string;
    readonly type: vscode.FileType;
}

export class FileTree implements vscode.Disposable {
    readonly #session: Session;
    readonly #changed = new vscode.EventEmitter<undefined>();
    readonly #disposables: vscode.Disposable[];

    constructor(session: Session, changedFiles: vscode.Event<unknown>) {
        this.#session = session;
        const view = vscode.window.createTreeView<Entry>("towline.files", {
            showCollapseAll: true,
            treeDataProvider: {
                onDidChangeTreeData: this.#changed.event,
                getChildren: (entry) => this.#children(entry?.uri ?? target("/")),
                getTreeItem: item,
            },
        });
        let last: string | undefined;
        this.#disposables = [
            view,
            this.#changed,
            changedFiles(() => {
                this.refresh();
            }),
            // Another target has other files; the same one at each status does not.
            session.onDidChange(() => {
                const now = session.connected?.status.link?.state === "up" ? (session.connected.status.target ?? undefined) : undefined;
                if (now !== last) this.refresh();
                last = now;
            }),
        ];
    }

    dispose(): void {
        for (const disposable of this.#disposables) disposable.dispose();
    }

    refresh(): void {
        this.#changed.fire(undefined);
    }

    /** Opens a file; the one here, where it is synced: an edit of it is on both sides. */
    async open(uri: vscode.Uri, at?: vscode.Position): Promise<void> {
        const { connected } = this.#session;
        const local = connected === undefined ? undefined : localOf(uri.path, rootsOf(connected.status));
        const here = local !== undefined && existsSync(local);
        const options: vscode.TextDocumentShowOptions = at === undefined ? {} : { selection: new vscode.Range(at, at) };
        await vscode.commands.executeCommand("vscode.open", here ? vscode.Uri.file(local) : uri, options);
    }

    async askAndOpen(): Promise<void> {
        const path = await vscode.window.showInputBox({
            title: "Open a file of the target",
            prompt: "Its path, as the target names it",
            value: "/",
            validateInput: (value) => (value.startsWith("/") ? undefined : "it begins with /"),
        });
        if (path !== undefined) await this.open(target(path));
    }

    async create(directory: Entry): Promise<void> {
        const name = await askName("New file or, with / at its end, directory", "");
        if (name === undefined) return;
        const uri = vscode.Uri.joinPath(directory.uri, name);
        if (name.endsWith("/")) {
            await vscode.workspace.fs.createDirectory(target(uri.path.replace(/\/+$/, "")));
            return;
        }
        const edit = new vscode.WorkspaceEdit();
        // It fails where a file is already, where writing would replace it.
        edit.createFile(uri, { overwrite: false, ignoreIfExists: false });
        if (!(await vscode.workspace.applyEdit(edit))) throw new Error(`${uri.path} was not made`);
        await vscode.commands.executeCommand("vscode.open", uri);
    }

    async rename(entry: Entry): Promise<void> {
        const name = await askName("New name", entry.name);
        if (name === undefined || name === entry.name) return;
        await vscode.workspace.fs.rename(entry.uri, vscode.Uri.joinPath(entry.uri, "..", name), { overwrite: false });
    }

    async delete(entry: Entry): Promise<void> {
        const directory = isDirectory(entry);
        const answer = await vscode.window.showWarningMessage(
            `Delete ${entry.uri.path} on the target?`,
            { modal: true, detail: directory ? "With everything in it. It cannot be brought back." : "It cannot be brought back." },
            "Delete",
        );
        if (answer === "Delete") await vscode.workspace.fs.delete(entry.uri, { recursive: directory });
    }

    async #children(uri: vscode.Uri): Promise<Entry[]> {
        if (this.#session.connected?.status.link?.state !== "up") return [];
        const entries = await vscode.workspace.fs.readDirectory(uri);
        return entries
            .map(([name, type]) => ({ uri: vscode.Uri.joinPath(uri, name), name, type }))
            .sort((a, b) => Number(isDirectory(b)) - Number(isDirectory(a)) || a.name.localeCompare(b.name));
    }
}

export function target(path: string): vscode.Uri {
    return vscode.Uri.from({ scheme: SCHEME, path });
}

function isDirectory({ type }: Entry): boolean {
    return (type & vscode.FileType.Directory) !== 0;
}

function item(entry: Entry): vscode.TreeItem {
    const directory = isDirectory(entry);
    const { Collapsed, None } = vscode.TreeItemCollapsibleState;
    const drawn = new vscode.TreeItem(entry.uri, directory ? Collapsed : None);
    drawn.label = entry.name;
    drawn.iconPath = directory ? vscode.ThemeIcon.Folder : vscode.ThemeIcon.File;
    drawn.contextValue = directory ? "directory" : "file";
    if (!directory) drawn.command = { command: "towline.openEntry", title: "Open", arguments: [entry] };
    return drawn;
}

async function askName(title: string, value: string): Promise<string | undefined> {
    return vscode.window.showInputBox({
        title,
        value,
        validateInput: (name) => (/^[^/]+\/?$/.test(name) ? undefined : "a name without / in it"),
    });
}
