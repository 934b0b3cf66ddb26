// Owns the language server of the workspace and the view of what it said last. Whatever is shown
// elsewhere is rendered from that view; whatever is done is a command sent from here.

import * as vscode from "vscode";
import type { ErrorHandler, LanguageClient } from "vscode-languageclient/node";
import { findBinary, NoBinary } from "./binary";
import { failureOf, tell } from "./failure";
import type { Commands, StatusNotification } from "./protocol";
import { isConnected, stateKey, type View } from "./view";

/** Commands that the server has for plain clients and that VS Code does better by itself. */
export type Overrides = Readonly<Record<string, (argument: unknown) => Promise<void>>>;

interface Running {
    readonly binary: string;
    readonly client: LanguageClient;
}

export class Session implements vscode.Disposable {
    readonly #changed = new vscode.EventEmitter<View>();
    readonly onDidChange = this.#changed.event;
    readonly #extension: vscode.Uri;
    readonly #output: vscode.LogOutputChannel;
    #overrides: Overrides = {};
    #view: View;
    #running: Promise<Running> | undefined;

    constructor(extension: vscode.Uri, output: vscode.LogOutputChannel) {
        this.#extension = extension;
        this.#output = output;
        this.#view = { state: this.root === undefined ? "noFolder" : "starting" };
    }

    get view(): View {
        return this.#view;
    }

    /** The last status, while anything is up. */
    get connected(): (StatusNotification & { readonly status: NonNullable<StatusNotification["status"]> }) | undefined {
        const view = this.#view;
        return view.state === "told" && isConnected(view.status) ? { ...view, status: view.status } : undefined;
    }

    /** The workspace: the first folder, as the server sees it, too. */
    get root(): string | undefined {
        return vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === "file")?.uri.fsPath;
    }

    /** The workspace, or an error that says what to do. */
    get rootOrThrow(): string {
        const root = this.root;
        if (root === undefined) throw new Error("open a folder first: it is what Towline syncs");
        return root;
    }

    override(overrides: Overrides): void {
        this.#overrides = overrides;
    }

    /** The program that runs here, also without a folder. */
    binary(): Promise<string> {
        return this.#running?.then(({ binary }) => binary) ?? findBinary(this.#extension);
    }

    /** Starts the server if it is not there. A failure is in the view. */
    async start(): Promise<void> {
        await this.#start().catch(() => undefined);
    }

    async restart(): Promise<void> {
        await this.#stop();
        await this.#start();
    }

    /** Sends a command. Rejects with what is to be told. */
    async command<Name extends keyof Commands>(
        name: Name,
        ...[argument]: undefined extends Commands[Name][0] ? [argument?: Commands[Name][0]] : [argument: Commands[Name][0]]
    ): Promise<Commands[Name][1]> {
        // Generated from what the server sends, so it is what comes.
        return (await this.#send(name, argument)) as Commands[Name][1];
    }

    dispose(): void {
        this.#changed.dispose();
        void this.#stop();
    }

    async #send(command: string, argument: unknown): Promise<unknown> {
        const { client } = await this.#start();
        const params = { command, arguments: argument === undefined ? [] : [argument] };
        try {
            return await client.sendRequest("workspace/executeCommand", params);
        } catch (error) {
            throw failureOf(error);
        }
    }

    #start(): Promise<Running> {
        this.#running ??= this.#launch().catch((error: unknown) => {
            this.#running = undefined;
            const reason = error instanceof Error ? error.message : String(error);
            this.#output.error(reason);
            if (this.root !== undefined) this.#show({ state: "broken", reason });
            throw error instanceof NoBinary ? error : new Error(reason);
        });
        return this.#running;
    }

    async #stop(): Promise<void> {
        const running = this.#running;
        this.#running = undefined;
        const client = (await running?.catch(() => undefined))?.client;
        await client?.dispose();
    }

    async #launch(): Promise<Running> {
        const root = this.rootOrThrow;
        this.#show({ state: "starting" });
        const binary = await findBinary(this.#extension);
        this.#output.info(`starting ${binary} lsp`);
        // The client is most of the bundle; nothing of it is evaluated before it is needed.
        const { CloseAction, LanguageClient, RevealOutputChannelOn } = await import("vscode-languageclient/node");
        const client: LanguageClient = new LanguageClient(
            "towline",
            "Towline",
            { command: binary, args: ["-C", root, "lsp"], options: { cwd: root } },
            {
                documentSelector: [{ scheme: "file" }],
                initializationOptions: { face: "vscode" },
                outputChannel: this.#output,
                revealOutputChannelOn: RevealOutputChannelOn.Never,
                middleware: { executeCommand: (name, [argument]: unknown[]) => this.#asked(name, argument) },
                errorHandler: {
                    error: (...args) => patience().error(...args),
                    closed: async () => {
                        const result = await patience().closed();
                        if (result.action === CloseAction.Restart) {
                            this.#show({ state: "starting" });
                        } else {
                            this.#running = undefined;
                            this.#show({ state: "broken", reason: `${binary} lsp ended again and again` });
                        }
                        // It is told by the view; nobody asked for a notification.
                        return { ...result, handled: true };
                    },
                },
            },
        );
        let handler: ErrorHandler | undefined;
        // It counts, so there must be one only.
        const patience = (): ErrorHandler => (handler ??= client.createDefaultErrorHandler());
        client.onNotification("towline/status", (told: StatusNotification) => {
            this.#show({ state: "told", ...told });
        });
        await client.start();
        return { binary, client };
    }

    /** A code action or a lens of the server was chosen, or another extension asks. */
    async #asked(name: string, argument: unknown): Promise<unknown> {
        try {
            const override = this.#overrides[name];
            return await (override === undefined ? this.#send(name, argument) : override(argument));
        } catch (error) {
            await tell(error);
            return undefined;
        }
    }

    #show(view: View): void {
        this.#view = view;
        const { connected } = this;
        const keys: Readonly<Record<string, unknown>> = {
            "towline.state": stateKey(view),
            "towline.hasApp": (connected?.status.app ?? null) !== null,
            "towline.hasPorts": (connected?.status.forwards.length ?? 0) > 0,
            "towline.hasConflicts": (connected?.conflicts.length ?? 0) > 0,
            "towline.conflicts": connected?.conflicts.map(({ uri }) => vscode.Uri.parse(uri).path) ?? [],
        };
        for (const [key, value] of Object.entries(keys)) {
            void vscode.commands.executeCommand("setContext", key, value);
        }
        this.#changed.fire(view);
    }
}
