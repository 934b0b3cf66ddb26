// Owns the menu behind the status bar item: what can be done now, in a list.

import * as vscode from "vscode";
import type { Session } from "./session";
import { stateKey } from "./view";

interface Entry extends vscode.QuickPickItem {
    readonly command: string;
}

export async function showMenu(session: Session): Promise<void> {
    const entries = entriesOf(session);
    const target = session.connected?.status.target ?? "not connected";
    const entry = await vscode.window.showQuickPick(entries, { title: `Towline: ${target}` });
    if (entry !== undefined) await vscode.commands.executeCommand(entry.command);
}

function entriesOf(session: Session): Entry[] {
    const demo = { label: "$(play) Run the Demo", command: "towline.runDemo" };
    const view = { label: "$(list-tree) Show the View", command: "towline.session.focus" };
    const output = { label: "$(output) Show the Extension's Output", command: "towline.showOutput" };
    switch (stateKey(session.view)) {
        case "noFolder":
            return [{ label: "$(folder-opened) Open Folder…", command: "vscode.openFolder" }, demo];
        case "broken":
            return [
                { label: "$(error) Show Why the Program Does Not Run", command: "towline.explainFailure" },
                output,
            ];
        case "starting":
        case "disconnected":
            return [{ label: "$(plug) Connect…", command: "towline.connect" }, view, demo, output];
        case "connected":
            return [
                ...((session.connected?.conflicts.length ?? 0) > 0
                    ? [{ label: "$(diff) Show Conflict…", command: "towline.showConflict" }]
                    : []),
                { label: "$(terminal) Open Terminal on Target", command: "towline.openTerminal" },
                { label: "$(globe) Open Forwarded Port in Browser", command: "towline.openPort" },
                { label: "$(add) Forward a Port…", command: "towline.addPort" },
                { label: "$(files) Browse Target Files", command: "towline.browse" },
                { label: "$(output) Show App Log", command: "towline.showLogs" },
                ...((session.connected?.status.app ?? null) === null
                    ? []
                    : [{ label: "$(debug-restart) Restart App", command: "towline.restartApp" }]),
                view,
                { label: "$(plug) Connect to Another Target…", command: "towline.connect" },
                { label: "$(debug-disconnect) Disconnect", command: "towline.disconnect" },
            ];
    }
}
