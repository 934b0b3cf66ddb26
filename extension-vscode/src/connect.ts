// Owns the Connect picker: asks where the app runs and sends `up`.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import * as vscode from "vscode";
import {
    containerItems,
    contextItems,
    directoryProblem,
    firstItems,
    namespaceOf,
    namespaceItems,
    portsProblem,
    remember,
    upOf,
    workloadItems,
    type Choice,
} from "./connect_items";
import { Failure } from "./failure";
import type { Context, Up, Workload } from "./protocol";
import type { Session } from "./session";
import { ask, BACK, CANCEL, pick, walk, type Answer, type Page, type Step } from "./steps";

/** Where recent targets are kept, in the memory of the workspace. */
const RECENT = "towline.recent";

/** What was answered so far. */
interface Draft {
    readonly choice?: Choice;
    readonly target?: string;
    readonly context?: Context;
    readonly namespace?: string | null;
    readonly workload?: Workload;
    readonly container?: string;
    readonly directory?: string;
    readonly ports?: string;
    readonly command?: string;
}

export async function connect(session: Session, memory: vscode.Memento): Promise<void> {
    const root = session.rootOrThrow;
    if (!(await trusted())) return;
    const recent = memory.get<Up[]>(RECENT, []);
    const hasFile = existsSync(join(root, "towline.yaml"));
    const first: Step<Draft> = {
        when: () => true,
        ask: async (_, back) =>
            answered(
                await pick(page("Where does it run?", back), Promise.resolve(firstItems(recent, hasFile))),
                (choice) => ({ choice }),
            ),
    };
    const draft = await walk<Draft>({}, [first, ...localSteps(root), ...kubernetesSteps(session), ...lastSteps()]);
    if (draft?.choice === undefined) return;
    const asked = upOfDraft(draft.choice, draft);
    if (!(await bringUp(session, asked))) return;
    // What towline.yaml says is remembered there.
    if (asked.target !== undefined) await memory.update(RECENT, remember(memory.get<Up[]>(RECENT, []), asked));
}

function upOfDraft(choice: Choice, draft: Draft): Up {
    if (choice.kind === "recent") return choice.up;
    if (choice.kind === "file") return {};
    const { context, namespace, container, command } = draft;
    return upOf({
        target: draft.target ?? draft.workload?.workload ?? "",
        ...(context === undefined ? {} : { context: context.name }),
        ...(typeof namespace === "string" ? { namespace } : {}),
        ...(container === undefined ? {} : { container }),
        directory: draft.directory ?? "",
        ports: draft.ports ?? "",
        ...(command === undefined ? {} : { command }),
    });
}

/** Sends `up`; false when something else stays up. The server shows the progress. */
async function bringUp(session: Session, up: Up): Promise<boolean> {
    try {
        await session.command("towline.up", up);
        return true;
    } catch (error) {
        if (!(error instanceof Failure) || error.code !== "conflict" || up.replace === true) throw error;
        const replace = "Replace";
        const answer = await vscode.window.showWarningMessage(error.message, { modal: true, detail: error.help ?? "" }, replace);
        return answer === replace && (await bringUp(session, { ...up, replace: true }));
    }
}

async function trusted(): Promise<boolean> {
    if (vscode.workspace.isTrusted) return true;
    const manage = "Manage Trust";
    const answer = await vscode.window.showWarningMessage(
        "This folder is in Restricted Mode. Connecting runs what its towline.yaml names, so trust it first.",
        manage,
    );
    if (answer === manage) await vscode.commands.executeCommand("workbench.trust.manage");
    return vscode.workspace.isTrusted;
}

const isLocal = ({ choice }: Draft): boolean => choice?.kind === "local";
const isKubernetes = ({ choice }: Draft): boolean => choice?.kind === "kubernetes";

function localSteps(root: string): Step<Draft>[] {
    return [
        {
            when: isLocal,
            ask: async (draft) => {
                const folders = await vscode.window.showOpenDialog({
                    title: "The directory that the app runs in",
                    openLabel: "Connect",
                    canSelectFiles: false,
                    canSelectFolders: true,
                    defaultUri: vscode.Uri.file(dirname(root)),
                });
                const folder = folders?.[0];
                // The dialog has no Back of its own.
                return folder === undefined ? BACK : { ...draft, target: `local:${folder.fsPath}` };
            },
        },
    ];
}

function kubernetesSteps(session: Session): Step<Draft>[] {
    return [
        {
            when: isKubernetes,
            ask: async (draft, back) =>
                answered(
                    await pick(
                        page("Which cluster?", back),
                        session.command("towline.contexts").then(({ contexts }) => contextItems(contexts)),
                    ),
                    (context) => ({ ...draft, context }),
                ),
        },
        {
            when: isKubernetes,
            ask: async (draft, back) => {
                const context = chosen(draft.context);
                const items = session
                    .command("towline.namespaces", { context: context.name })
                    .then(({ namespaces, problem }) => namespaceItems(namespaceOf(context), namespaces, problem));
                return answered(await pick(page("Which namespace?", back), items), (namespace) => ({ ...draft, namespace }));
            },
        },
        {
            when: (draft) => isKubernetes(draft) && draft.namespace === null,
            ask: async (draft, back) =>
                answered(
                    await ask(page("Which namespace?", back, "its name"), "", (text) =>
                        /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text) ? undefined : "small letters, digits and dashes",
                    ),
                    (namespace) => ({ ...draft, namespace }),
                ),
        },
        {
            when: isKubernetes,
            ask: async (draft, back) => {
                const { name } = chosen(draft.context);
                const items = session
                    .command("towline.list", { context: name, namespace: chosen(draft.namespace) })
                    .then(({ workloads }) => workloadItems(workloads));
                return answered(await pick(page("Which workload?", back), items), (workload) => ({ ...draft, workload }));
            },
        },
        {
            when: ({ workload }) => (workload?.containers.length ?? 0) > 1,
            ask: async (draft, back) =>
                answered(
                    await pick(page("Which container?", back), Promise.resolve(containerItems(chosen(draft.workload).containers))),
                    (container) => ({ ...draft, container }),
                ),
        },
    ];
}

function lastSteps(): Step<Draft>[] {
    return [
        {
            when: (draft) => isLocal(draft) || isKubernetes(draft),
            ask: async (draft, back) =>
                answered(
                    await ask(
                        page("Which directory there is this folder?", back, "files go both ways between this folder and that directory"),
                        draft.workload?.cwd ?? "/app",
                        directoryProblem,
                    ),
                    (directory) => ({ ...draft, directory }),
                ),
        },
        {
            when: (draft) => isLocal(draft) || isKubernetes(draft),
            ask: async (draft, back) =>
                answered(
                    await ask(
                        page("Which ports shall be on localhost?", back, "such as 8080 9090:5432 db:6379; none is fine"),
                        draft.workload?.ports.join(" ") ?? "",
                        portsProblem,
                    ),
                    (ports) => ({ ...draft, ports }),
                ),
        },
        {
            // In a container the app runs already.
            when: isLocal,
            ask: async (draft, back) =>
                answered(
                    await ask(page("What shall run there?", back, "a command, such as python3 app.py; none is fine"), "", () => undefined),
                    (command) => ({ ...draft, command }),
                ),
        },
    ];
}

function page(title: string, back: boolean, placeholder = ""): Page {
    return { title: `Towline: ${title}`, placeholder, back };
}

function answered<Value>(answer: Answer<Value>, then: (value: Value) => Draft): Answer<Draft> {
    if (answer === BACK) return BACK;
    if (answer === CANCEL) return CANCEL;
    return then(answer);
}

/** An earlier page answered it. */
function chosen<Value>(value: Value | undefined | null): Value {
    if (value === undefined || value === null) throw new Error("the page before this one was not answered");
    return value;
}

