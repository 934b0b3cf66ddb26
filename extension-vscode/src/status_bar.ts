// Owns the status bar item: one line of the status, whose click opens the menu.

import * as vscode from "vscode";
import { barOf } from "./bar";
import type { Session } from "./session";

export function showStatusBar(session: Session): vscode.Disposable {
    const item = vscode.window.createStatusBarItem("towline.status", vscode.StatusBarAlignment.Left, 50);
    item.name = "Towline";
    item.command = "towline.menu";
    const render = (): void => {
        const bar = barOf(session.view);
        item.text = bar.text;
        item.tooltip = bar.tooltip;
        item.accessibilityInformation = { label: bar.spoken, role: "button" };
        item.backgroundColor =
            bar.severity === "none" ? undefined : new vscode.ThemeColor(`statusBarItem.${bar.severity}Background`);
    };
    render();
    item.show();
    return vscode.Disposable.from(item, session.onDidChange(render));
}
