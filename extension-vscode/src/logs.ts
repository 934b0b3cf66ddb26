// Owns the app's log in an output channel: follows `towline logs` while somebody wants to see it.

import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import * as vscode from "vscode";
import type { Session } from "./session";
import { links } from "./terminals";

/** Lines from before that are shown, too. */
const TAIL = "1000";

interface Line {
    readonly source: string;
    readonly text: string;
}

export class Logs implements vscode.Disposable {
    readonly #session: Session;
    readonly #disposables: vscode.Disposable[];
    #channel: vscode.OutputChannel | undefined;
    #child: ChildProcess | undefined;

    constructor(session: Session) {
        this.#session = session;
        this.#disposables = [
            session.onDidChange(() => {
                this.#follow().catch((error: unknown) => {
                    this.#say("towline", String(error));
                });
            }),
            vscode.languages.registerDocumentLinkProvider({ scheme: "output" }, { provideDocumentLinks: (document) => this.#links(document) }),
        ];
    }

    async show(): Promise<void> {
        this.#channel ??= vscode.window.createOutputChannel("Towline App", "log");
        this.#channel.show(true);
        await this.#follow();
    }

    dispose(): void {
        this.#child?.kill();
        this.#channel?.dispose();
        for (const disposable of this.#disposables) disposable.dispose();
    }

    /** Makes it so that lines come in exactly while a hub is there and the log was asked for. */
    async #follow(): Promise<void> {
        if (this.#channel === undefined) return;
        if (this.#session.connected === undefined) {
            this.#child?.kill();
            return;
        }
        const binary = await this.#session.binary();
        if (this.#child !== undefined) return;
        // A hub that starts again tells all it knows again.
        this.#channel.clear();
        const child = spawn(binary, ["-C", this.#session.rootOrThrow, "logs", "-f", "-n", TAIL, "--json"], {
            stdio: ["ignore", "pipe", "ignore"],
        });
        this.#child = child;
        createInterface({ input: child.stdout }).on("line", (line) => {
            const { source, text } = JSON.parse(line) as Partial<Line>;
            if (source !== undefined && text !== undefined) this.#say(source, text);
        });
        const ended = (): void => {
            if (this.#child === child) this.#child = undefined;
        };
        // The next status begins anew.
        child.on("exit", ended).on("error", ended);
    }

    #say(source: string, text: string): void {
        this.#channel?.appendLine(source === "stdout" ? text : `[${source}] ${text}`);
    }

    #links(document: vscode.TextDocument): vscode.DocumentLink[] {
        if (!document.uri.path.includes("Towline App")) return [];
        const found: vscode.DocumentLink[] = [];
        for (let line = 0; line < document.lineCount; line += 1) {
            for (const { startIndex, length, uri, position } of links(document.lineAt(line).text, this.#session)) {
                const range = new vscode.Range(line, startIndex, line, startIndex + length);
                const fragment = position === undefined ? "" : `L${position.line + 1},${position.character + 1}`;
                found.push(new vscode.DocumentLink(range, uri.with({ fragment })));
            }
        }
        return found;
    }
}
