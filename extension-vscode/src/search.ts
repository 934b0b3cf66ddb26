// Owns the search in files of the target: asks what and where, and shows what was found. VS Code's
// own search takes no providers but from extensions that come with it.

import * as vscode from "vscode";
import { target, type FileTree } from "./file_tree";
import { matchItems } from "./search_items";
import type { Session } from "./session";

/** Looks for a text below `folder`, or where the user says. */
export async function searchFiles(session: Session, files: FileTree, folder: vscode.Uri | undefined): Promise<void> {
    const text = await vscode.window.showInputBox({
        title: "Towline: Look for a text in files of the target",
        prompt: "As it is; a text without capitals is found in either",
        value: selected(),
        validateInput: (value) => (value === "" ? "something to look for" : undefined),
    });
    if (text === undefined || text === "") return;
    const path = folder?.path ?? (await askDirectory());
    if (path === undefined) return;
    // Who types a capital means one.
    const matchCase = text !== text.toLowerCase();
    const found = await session.command("towline.file.search", { path, text, matchCase });
    if (found.matches.length === 0) {
        await vscode.window.showInformationMessage(`Nothing below ${path} has “${text}” in it${early(found.ended_early)}.`);
        return;
    }
    const chosen = await vscode.window.showQuickPick(matchItems(found.matches), {
        title: `Towline: “${text}” below ${path}${early(found.ended_early)}`,
        placeHolder: "Enter opens the file at the line",
        matchOnDescription: true,
        matchOnDetail: true,
    });
    if (chosen === undefined) return;
    const { match } = chosen;
    await files.open(target(match.path), new vscode.Position(match.line - 1, match.column));
}

function early(why: string | null): string {
    return why === null ? "" : ` (${why})`;
}

/** What is selected in the editor, if that is a part of one line. */
function selected(): string {
    const editor = vscode.window.activeTextEditor;
    return editor?.selection.isSingleLine === true ? editor.document.getText(editor.selection) : "";
}

async function askDirectory(): Promise<string | undefined> {
    return vscode.window.showInputBox({
        title: "Towline: Look in which directory of the target?",
        prompt: "With all that is below it",
        value: "/",
        validateInput: (value) => (value.startsWith("/") ? undefined : "it begins with /"),
    });
}
