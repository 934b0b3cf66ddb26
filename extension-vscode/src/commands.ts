// Owns the table of commands and how each gets what it works on: from the node that was clicked,
// else from the file in the editor, else by a question.

import * as vscode from "vscode";
import { resolve, showDifference } from "./conflicts";
import { connect } from "./connect";
import type { DetectedPorts } from "./detected_ports";
import { tell } from "./failure";
import type { Entry, FileTree } from "./file_tree";
import type { Logs } from "./logs";
import { showMenu } from "./menu";
import type { Conflict, Forward, Keep, Sync } from "./protocol";
import { searchFiles } from "./search";
import type { Session } from "./session";
import { openTerminal, runDemo } from "./terminals";
import { localName, type Node } from "./tree_model";
import { portsProblem } from "./connect_items";

export interface Parts {
    readonly session: Session;
    readonly memory: vscode.Memento;
    readonly output: vscode.LogOutputChannel;
    readonly ports: DetectedPorts;
    readonly logs: Logs;
    readonly files: FileTree;
}

/** What VS Code passes: a node of a view, the file of an editor, or nothing. */
type Clicked = Node | Entry | vscode.Uri | undefined;

export function registerCommands({ session, memory, output, ports, logs, files }: Parts): vscode.Disposable {
    const table: Readonly<Record<string, (clicked: Clicked) => Promise<unknown>>> = {
        "towline.connect": () => connect(session, memory),
        "towline.disconnect": () => session.command("towline.down"),
        "towline.menu": () => showMenu(session),
        "towline.restartApp": () => session.command("towline.restart"),
        "towline.addPort": (clicked) => addPort(session, clicked),
        "towline.findPorts": () => findPorts(ports),
        "towline.openPort": (clicked) =>
            withForward(session, clicked, "Open in browser", (forward) => openExternal(`http://${localName(forward)}/`)),
        "towline.copyAddress": (clicked) =>
            withForward(session, clicked, "Copy address", (forward) => vscode.env.clipboard.writeText(localName(forward))),
        "towline.stopPort": (clicked) =>
            withForward(session, clicked, "Stop forwarding", ({ spec }) => session.command("towline.forward.remove", { spec })),
        "towline.pauseSync": (clicked) =>
            withSync(session, clicked, ({ name }) => session.command("towline.sync.pause", { name })),
        "towline.resumeSync": (clicked) => withSync(session, clicked, (sync) => resumeSync(session, sync)),
        "towline.explainSync": (clicked) => explainSync(session, clicked),
        "towline.undoSync": () => undoSync(session),
        "towline.showConflict": (clicked) =>
            withConflict(session, clicked, ({ uri }) => showDifference(vscode.Uri.parse(uri))),
        "towline.keepMine": (clicked) => keep(session, clicked, "local"),
        "towline.keepTheirs": (clicked) => keep(session, clicked, "target"),
        "towline.keepBoth": (clicked) => keep(session, clicked, "both"),
        "towline.openTerminal": () => openTerminal(session),
        "towline.showLogs": () => logs.show(),
        "towline.browse": () => Promise.resolve(vscode.commands.executeCommand("towline.files.focus")),
        "towline.openPath": () => files.askAndOpen(),
        "towline.searchFiles": (clicked) => searchFiles(session, files, folderOf(clicked)),
        "towline.refreshFiles": () => {
            files.refresh();
            return Promise.resolve();
        },
        "towline.runDemo": () => runDemo(session),
        "towline.explainFailure": () => session.restart(),
        "towline.restartServer": () => session.restart(),
        "towline.showOutput": () => {
            output.show();
            return Promise.resolve();
        },
    };
    const ofEntry: Readonly<Record<string, (entry: Entry) => Promise<unknown>>> = {
        "towline.openEntry": ({ uri }) => files.open(uri),
        "towline.newFile": (entry) => files.create(entry),
        "towline.renameFile": (entry) => files.rename(entry),
        "towline.deleteFile": (entry) => files.delete(entry),
    };
    session.override({
        "towline.open": (argument) => openExternal(String(property(argument, "url"))),
        "towline.diff": (argument) => showDifference(fileOf(session, String(property(argument, "path")))),
        "towline.shell": () => openTerminal(session),
    });
    return vscode.Disposable.from(...registered(table), ...registered(ofEntry));
}

/** Each command tells its own failure: VS Code would show the bare message. */
function registered(table: Readonly<Record<string, (argument: never) => Promise<unknown>>>): vscode.Disposable[] {
    return Object.entries(table).map(([name, run]) =>
        vscode.commands.registerCommand(name, async (argument: never) => {
            try {
                await run(argument);
            } catch (error) {
                await tell(error);
            }
        }),
    );
}

async function addPort(session: Session, clicked: Clicked): Promise<void> {
    const subject = subjectOf(clicked);
    const spec =
        subject?.kind === "detected"
            ? String(subject.port)
            : await vscode.window.showInputBox({
                  title: "Towline: Forward a port",
                  prompt: "PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT, with /udp for datagrams",
                  validateInput: portsProblem,
              });
    if (spec !== undefined && spec !== "") await session.command("towline.forward.add", { spec });
}

async function findPorts(ports: DetectedPorts): Promise<void> {
    await ports.look();
    // Who asks gets an answer, also when there is nothing new to see.
    if (ports.found.every(({ forwarded }) => forwarded)) {
        await vscode.window.showInformationMessage("Nothing on the target listens at a port that is not forwarded.");
    }
}

async function withForward(
    session: Session,
    clicked: Clicked,
    title: string,
    then: (forward: Forward) => Thenable<unknown>,
): Promise<void> {
    const subject = subjectOf(clicked);
    const forwards = session.connected?.status.forwards ?? [];
    const forward =
        subject?.kind === "forward"
            ? subject.forward
            : await one(title, forwards, (forward) => ({ label: localName(forward), description: `→ ${forward.remote}` }));
    if (forward !== undefined) await then(forward);
}

async function withSync(session: Session, clicked: Clicked, then: (sync: Sync) => Promise<unknown>): Promise<void> {
    const subject = subjectOf(clicked);
    const syncs = session.connected?.status.syncs ?? [];
    const sync =
        subject?.kind === "sync"
            ? subject.sync
            : await one("Which sync?", syncs, ({ name, alpha, beta }) => ({ label: name, description: `${alpha} ⇄ ${beta}` }));
    if (sync !== undefined) await then(sync);
}

/** After a brake it takes a decision; after a pause there is none to make. */
async function resumeSync(session: Session, { name, phase }: Sync): Promise<void> {
    if (phase.phase !== "braked") {
        await session.command("towline.sync.resume", { name });
        return;
    }
    const choices = [
        { label: "$(history) Restore", detail: "Put the files back where they were deleted.", how: "restore" as const },
        { label: "$(trash) Delete", detail: "The deletions are wanted: do them on the other side, too.", how: "delete" as const },
    ];
    const choice = await vscode.window.showQuickPick(choices, { title: `Towline: ${name} is held`, placeHolder: phase.reason });
    if (choice !== undefined) await session.command("towline.sync.resume", { name, how: choice.how });
}

async function explainSync(session: Session, clicked: Clicked): Promise<void> {
    const subject = subjectOf(clicked);
    const file = clicked instanceof vscode.Uri ? clicked : vscode.window.activeTextEditor?.document.uri;
    const path = subject?.kind === "path" ? subject.path : file?.fsPath;
    if (path === undefined) throw new Error("open the file that it is about first");
    const { why } = await session.command("towline.sync.why", { path });
    await vscode.window.showInformationMessage(`${vscode.workspace.asRelativePath(path)}: ${why}`);
}

async function undoSync(session: Session): Promise<void> {
    const { undone } = await session.command("towline.sync.undo");
    await vscode.window.showInformationMessage(`Brought back: ${undone}`);
}

async function keep(session: Session, clicked: Clicked, which: Keep): Promise<void> {
    await withConflict(session, clicked, (conflict) => resolve(session, conflict, which));
}

async function withConflict(
    session: Session,
    clicked: Clicked,
    then: (conflict: Conflict) => Promise<void>,
): Promise<void> {
    const conflicts = session.connected?.conflicts ?? [];
    const subject = subjectOf(clicked);
    // In the diff editor's title VS Code passes the file, in the palette nothing.
    const file = clicked instanceof vscode.Uri ? clicked : vscode.window.activeTextEditor?.document.uri;
    const here = conflicts.find(({ uri }) => vscode.Uri.parse(uri).path === file?.path);
    const conflict =
        subject?.kind === "conflict"
            ? subject.conflict
            : (here ??
              (await one("Which conflict?", conflicts, ({ path, local, target }) => ({
                  label: path,
                  description: `here: ${local}, there: ${target}`,
              }))));
    if (conflict !== undefined) await then(conflict);
}

/** Asks which of several is meant; of one there is no question. */
async function one<Value>(
    title: string,
    values: readonly Value[],
    words: (value: Value) => vscode.QuickPickItem,
): Promise<Value | undefined> {
    if (values.length <= 1) return values[0];
    const items = values.map((value) => ({ ...words(value), value }));
    return (await vscode.window.showQuickPick(items, { title: `Towline: ${title}`, matchOnDescription: true }))?.value;
}

function subjectOf(clicked: Clicked): Node["subject"] {
    return clicked !== undefined && "subject" in clicked ? clicked.subject : undefined;
}

/** The directory of the target that was clicked. */
function folderOf(clicked: Clicked): vscode.Uri | undefined {
    return clicked !== undefined && "uri" in clicked ? clicked.uri : undefined;
}

function property(argument: unknown, name: string): unknown {
    if (typeof argument !== "object" || argument === null) return undefined;
    return Object.entries(argument).find(([key]) => key === name)?.[1];
}

/** A path as the server takes it: relative to the workspace, absolute, or a file: URI. */
function fileOf(session: Session, path: string): vscode.Uri {
    if (path.startsWith("file:")) return vscode.Uri.parse(path);
    return path.startsWith("/") ? vscode.Uri.file(path) : vscode.Uri.joinPath(vscode.Uri.file(session.rootOrThrow), path);
}

async function openExternal(url: string): Promise<void> {
    await vscode.env.openExternal(vscode.Uri.parse(url));
}
