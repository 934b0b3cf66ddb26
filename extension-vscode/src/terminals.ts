// Owns terminals on the target, and links in them to the files here.

import { existsSync } from "node:fs";
import * as vscode from "vscode";
import { localOf, placesIn, rootsOf } from "./paths";
import type { Session } from "./session";
import { shortTarget } from "./text";

class Link extends vscode.TerminalLink {
    constructor(
        startIndex: number,
        length: number,
        readonly uri: vscode.Uri,
        readonly position: vscode.Position | undefined,
    ) {
        super(startIndex, length, `open ${uri.fsPath}`);
    }
}

const ICON = new vscode.ThemeIcon("link");

export function registerTerminals(session: Session): vscode.Disposable {
    return vscode.Disposable.from(
        vscode.window.registerTerminalProfileProvider("towline.shell", {
            provideTerminalProfile: async () => new vscode.TerminalProfile(await shell(session)),
        }),
        vscode.window.registerTerminalLinkProvider({
            provideTerminalLinks: ({ line }) => links(line, session),
            handleTerminalLink: ({ uri, position }: Link) => open(uri, position),
        }),
    );
}

/** Opens a shell beside the app. */
export async function openTerminal(session: Session): Promise<void> {
    vscode.window.createTerminal(await shell(session)).show();
}

/** Runs the demo where its own instructions can be read and clicked. */
export async function runDemo(session: Session): Promise<void> {
    const shellPath = await session.binary();
    vscode.window.createTerminal({ name: "Towline Demo", shellPath, shellArgs: ["demo"], iconPath: ICON }).show();
}

async function shell(session: Session): Promise<vscode.TerminalOptions> {
    const shellPath = await session.binary();
    // The name is the target's: with several terminals it says which one is not on this machine.
    const status = session.connected?.status;
    const name = shortTarget(status?.target ?? "Towline");
    // Where one's files are.
    const directory = status?.syncs[0]?.beta;
    const there = directory === undefined ? [] : ["-w", directory];
    return { name, shellPath, shellArgs: ["-C", session.rootOrThrow, "shell", ...there], iconPath: ICON };
}

/** Links of one line of text to the files here that its paths are synced with. */
export function links(text: string, session: Session): Link[] {
    const { connected } = session;
    if (connected === undefined) return [];
    const roots = rootsOf(connected.status);
    return placesIn(text, roots).flatMap(({ start, length, remote, line, column }) => {
        const local = localOf(remote, roots);
        // What is ignored or gone has no file here.
        if (local === undefined || !existsSync(local)) return [];
        const position = line === undefined ? undefined : new vscode.Position(Math.max(line - 1, 0), Math.max((column ?? 1) - 1, 0));
        return [new Link(start, length, vscode.Uri.file(local), position)];
    });
}

async function open(uri: vscode.Uri, position: vscode.Position | undefined): Promise<void> {
    const selection = position === undefined ? {} : { selection: new vscode.Range(position, position) };
    await vscode.window.showTextDocument(uri, selection);
}
