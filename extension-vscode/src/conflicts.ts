// Owns conflicts in the diff editor: what the target has on the left, the file here on the right.

import { basename } from "node:path";
import * as vscode from "vscode";
import type { Conflict, Keep } from "./protocol";
import type { Session } from "./session";

/** Documents with the target's content of a file here; the path is that file's. */
const SCHEME = "towline-target";

export function registerConflicts(session: Session): vscode.Disposable {
    const changed = new vscode.EventEmitter<vscode.Uri>();
    return vscode.Disposable.from(
        changed,
        vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
            onDidChange: changed.event,
            provideTextDocumentContent: async ({ path }) =>
                (await session.command("towline.difference", { path: vscode.Uri.file(path).toString() })).target,
        }),
        session.onDidChange(() => {
            for (const { uri } of vscode.workspace.textDocuments) {
                if (uri.scheme === SCHEME) changed.fire(uri);
            }
        }),
    );
}

/** Shows how a file here differs from the target's. */
export async function showDifference(file: vscode.Uri): Promise<void> {
    const target = file.with({ scheme: SCHEME, query: "", fragment: "" });
    await vscode.commands.executeCommand("vscode.diff", target, file, `${basename(file.fsPath)} (target ↔ here)`);
}

/** Ends a conflict. What loses is in the trash of its side. */
export async function resolve(session: Session, conflict: Conflict, keep: Keep): Promise<void> {
    const file = vscode.Uri.parse(conflict.uri);
    // What one sees is what one keeps, saved or not.
    const open = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === file.toString());
    if (open?.isDirty === true && keep !== "target") await open.save();
    await session.command("towline.sync.resolve", { path: conflict.uri, keep });
    await closeDifference(file);
}

async function closeDifference(file: vscode.Uri): Promise<void> {
    const tabs = vscode.window.tabGroups.all
        .flatMap(({ tabs }) => tabs)
        .filter(
            ({ input }) =>
                input instanceof vscode.TabInputTextDiff &&
                input.original.scheme === SCHEME &&
                input.modified.toString() === file.toString(),
        );
    await vscode.window.tabGroups.close(tabs);
}
