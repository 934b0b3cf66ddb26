// Owns the list of ports that something on the target listens at, and when it is asked for: when
// the app starts and when the window gets the focus, never by a clock of its own.

import * as vscode from "vscode";
import type { ListeningPort } from "./protocol";
import type { Session } from "./session";

type Setting = "off" | "on" | "notify";

export class DetectedPorts implements vscode.Disposable {
    readonly #session: Session;
    readonly #output: vscode.LogOutputChannel;
    readonly #changed = new vscode.EventEmitter<void>();
    readonly onDidChange = this.#changed.event;
    readonly #disposables: vscode.Disposable[];
    /** Ports that were offered since this window connected. */
    readonly #offered = new Set<number>();
    #found: readonly ListeningPort[] = [];
    #seen: string | undefined;

    constructor(session: Session, output: vscode.LogOutputChannel) {
        this.#session = session;
        this.#output = output;
        this.#disposables = [
            this.#changed,
            session.onDidChange(() => {
                this.#statusChanged();
            }),
            vscode.window.onDidChangeWindowState(({ focused }) => {
                if (focused) this.#lookByItself();
            }),
        ];
    }

    get found(): readonly ListeningPort[] {
        return this.#found;
    }

    dispose(): void {
        for (const disposable of this.#disposables) disposable.dispose();
    }

    /** Asks the target now. */
    async look(): Promise<void> {
        if (this.#session.connected === undefined) return;
        this.#found = (await this.#session.command("towline.ports.detect")).ports;
        this.#changed.fire();
        if (this.#setting() === "notify") await this.#offer();
    }

    #statusChanged(): void {
        const { connected } = this.#session;
        if (connected === undefined) {
            this.#found = [];
            this.#offered.clear();
            this.#seen = undefined;
            return;
        }
        const { app, readiness, forwards } = connected.status;
        if (readiness.state !== "ready") return;
        // Another start of the app may listen elsewhere; a new forward is no longer merely detected.
        const starts = app !== null && "starts" in app ? app.starts : 0;
        const now = [starts, app?.state ?? "", ...forwards.map(({ spec }) => spec)].join(" ");
        if (now === this.#seen) return;
        this.#seen = now;
        this.#lookByItself();
    }

    #lookByItself(): void {
        if (this.#setting() === "off") return;
        // Nobody asked, so a failure is nobody's news.
        this.look().catch((error: unknown) => {
            this.#output.debug(`listening ports: ${String(error)}`);
        });
    }

    async #offer(): Promise<void> {
        const news = this.#found.filter(({ port, forwarded }) => !forwarded && !this.#offered.has(port));
        for (const { port } of news) {
            this.#offered.add(port);
            const forward = "Forward";
            const answer = await vscode.window.showInformationMessage(`Something on the target listens at port ${port}.`, forward);
            if (answer === forward) await this.#session.command("towline.forward.add", { spec: String(port) });
        }
    }

    #setting(): Setting {
        return vscode.workspace.getConfiguration("towline").get<Setting>("detectPorts", "on");
    }
}
