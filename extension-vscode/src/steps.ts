// Owns pages of questions with a way back: each is a quick pick or an input box.

import * as vscode from "vscode";
import type { Item } from "./connect_items";

/** The Back button was pressed. */
export const BACK = Symbol("back");
/** The questions were dismissed. */
export const CANCEL = Symbol("cancel");
export type Answer<Value> = Value | typeof BACK | typeof CANCEL;

export interface Page {
    readonly title: string;
    readonly placeholder: string;
    /** Whether there is a page before it. */
    readonly back: boolean;
}

/** Shows items as soon as they are there; rejects when they cannot be had. */
export async function pick<Value>(page: Page, items: Promise<readonly Item<Value>[]>): Promise<Answer<Value>> {
    const input = vscode.window.createQuickPick<vscode.QuickPickItem & Item<Value>>();
    input.matchOnDescription = true;
    input.matchOnDetail = true;
    return show(input, page, () => input.selectedItems[0]?.value, async () => {
        input.items = [...(await items)];
    });
}

export async function ask(
    page: Page,
    value: string,
    problem: (value: string) => string | undefined,
): Promise<Answer<string>> {
    const input = vscode.window.createInputBox();
    input.value = value;
    input.prompt = page.placeholder;
    const check = input.onDidChangeValue((text) => {
        input.validationMessage = problem(text) ?? "";
    });
    const accept = (): string | undefined => {
        const wrong = problem(input.value);
        if (wrong === undefined) return input.value;
        input.validationMessage = wrong;
        return undefined;
    };
    return show(input, page, accept, () => Promise.resolve()).finally(() => {
        check.dispose();
    });
}

/** Shows one page until it is answered: `accept` gives undefined while there is no answer yet. */
async function show<Value>(
    input: vscode.QuickPick<vscode.QuickPickItem> | vscode.InputBox,
    { title, placeholder, back }: Page,
    accept: () => Value | undefined,
    fill: () => Promise<void>,
): Promise<Answer<Value>> {
    const disposables: vscode.Disposable[] = [input];
    try {
        return await new Promise<Answer<Value>>((resolve, reject) => {
            input.title = title;
            input.placeholder = placeholder;
            input.ignoreFocusOut = true;
            if (back) input.buttons = [vscode.QuickInputButtons.Back];
            disposables.push(
                input.onDidTriggerButton(() => {
                    resolve(BACK);
                }),
                input.onDidHide(() => {
                    resolve(CANCEL);
                }),
                input.onDidAccept(() => {
                    const value = accept();
                    if (value !== undefined) resolve(value);
                }),
            );
            input.busy = true;
            input.show();
            fill().then(() => {
                input.busy = false;
            }, reject);
        });
    } finally {
        for (const disposable of disposables) disposable.dispose();
    }
}

/** One page of a series; it is passed over where it does not apply. */
export interface Step<State> {
    readonly when: (state: State) => boolean;
    readonly ask: (state: State, back: boolean) => Promise<Answer<State>>;
}

/** Goes through the pages, to and fro; undefined when it was dismissed. */
export async function walk<State>(initial: State, steps: readonly Step<State>[]): Promise<State | undefined> {
    const trail: { readonly index: number; readonly state: State }[] = [];
    let state = initial;
    let index = 0;
    for (;;) {
        const step = steps[index];
        if (step === undefined) return state;
        if (!step.when(state)) {
            index += 1;
            continue;
        }
        const answer = await step.ask(state, trail.length > 0);
        if (answer === CANCEL) return undefined;
        if (answer === BACK) {
            const last = trail.pop();
            if (last !== undefined) ({ index, state } = last);
            continue;
        }
        trail.push({ index, state });
        state = answer;
        index += 1;
    }
}
