// Owns the Session view: draws the nodes of the model.

import * as vscode from "vscode";
import type { DetectedPorts } from "./detected_ports";
import type { Session } from "./session";
import { nodesOf, type Node } from "./tree_model";

export function showTree(session: Session, ports: DetectedPorts): vscode.Disposable {
    const changed = new vscode.EventEmitter<void>();
    const provider: vscode.TreeDataProvider<Node> = {
        onDidChangeTreeData: changed.event,
        getChildren: (node) => {
            if (node !== undefined) return [...(node.children ?? [])];
            const { connected } = session;
            return connected === undefined ? [] : nodesOf(connected.status, connected.conflicts, ports.found);
        },
        getTreeItem: item,
    };
    const view = vscode.window.createTreeView("towline.session", { treeDataProvider: provider, showCollapseAll: true });
    const draw = (): void => {
        changed.fire();
        const conflicts = session.connected?.conflicts.length ?? 0;
        view.badge =
            conflicts === 0 ? undefined : { value: conflicts, tooltip: "paths that both sides changed" };
        const { view: last } = session;
        // An error of the server that is not about something that is up.
        view.message = last.state === "told" && last.error !== null ? last.error : "";
    };
    return vscode.Disposable.from(view, changed, session.onDidChange(draw), ports.onDidChange(draw));
}

function item(node: Node): vscode.TreeItem {
    const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
    // Also what has no children yet: VS Code does not expand later what it drew as a leaf.
    const state = node.children === undefined ? None : node.open === true ? Expanded : Collapsed;
    const drawn = new vscode.TreeItem(node.label, state);
    drawn.id = node.id;
    drawn.iconPath = new vscode.ThemeIcon(node.icon, node.color === undefined ? undefined : new vscode.ThemeColor(node.color));
    if (node.description !== undefined) drawn.description = node.description;
    if (node.tooltip !== undefined) drawn.tooltip = node.tooltip;
    if (node.context !== undefined) drawn.contextValue = node.context;
    if (node.command !== undefined) drawn.command = { command: node.command, title: node.label, arguments: [node] };
    return drawn;
}
