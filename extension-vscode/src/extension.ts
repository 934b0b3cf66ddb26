// Owns activation: makes the parts and joins them.

import * as vscode from "vscode";
import { registerCommands } from "./commands";
import { registerConflicts } from "./conflicts";
import { DetectedPorts } from "./detected_ports";
import { FileTree } from "./file_tree";
import { Logs } from "./logs";
import { RemoteFiles, SCHEME } from "./remote_files";
import { Session } from "./session";
import { showStatusBar } from "./status_bar";
import { registerTerminals } from "./terminals";
import { showTree } from "./tree";
import type { View } from "./view";

/** What the tests ask for. */
export interface Api {
    /** The processor's time that activation took; the server starts beside it. */
    readonly activationMs: number;
    /** What is rendered now. */
    readonly view: () => View;
}

export function activate(context: vscode.ExtensionContext): Api {
    const before = process.cpuUsage();
    const output = vscode.window.createOutputChannel("Towline", { log: true });
    const session = new Session(context.extensionUri, output);
    const ports = new DetectedPorts(session, output);
    const logs = new Logs(session);
    const remote = new RemoteFiles(session);
    const files = new FileTree(session, remote.onDidChangeFile);
    context.subscriptions.push(
        output,
        session,
        ports,
        logs,
        files,
        showStatusBar(session),
        showTree(session, ports),
        registerTerminals(session),
        registerConflicts(session),
        vscode.workspace.registerFileSystemProvider(SCHEME, remote, { isCaseSensitive: true }),
        registerCommands({ session, memory: context.workspaceState, output, ports, logs, files }),
        vscode.workspace.onDidChangeConfiguration((event) => {
            if (event.affectsConfiguration("towline.path")) void session.restart().catch(() => undefined);
        }),
    );
    void session.start();
    const { user, system } = process.cpuUsage(before);
    const activationMs = (user + system) / 1000;
    output.info(`activated in ${activationMs.toFixed(1)} ms`);
    return { activationMs, view: () => session.view };
}
