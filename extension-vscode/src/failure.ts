// Owns how a failure is told: what was tried, why it failed, what to do.

import * as vscode from "vscode";
import { NoBinary } from "./binary";

/** A command that the server refused. */
export class Failure extends Error {
    constructor(
        message: string,
        /** What a program decides on: `usage`, `not_up`, `unreachable`, `conflict`, `failure`. */
        readonly code: string,
        readonly help: string | undefined,
    ) {
        super(message);
    }
}

/** Turns a JSON-RPC error into a Failure. */
export function failureOf(error: unknown): Failure {
    const message = error instanceof Error ? error.message : String(error);
    const data: unknown = typeof error === "object" && error !== null && "data" in error ? error.data : undefined;
    const text = (key: string): string | undefined => {
        if (typeof data !== "object" || data === null) return undefined;
        const value: unknown = Object.entries(data).find(([name]) => name === key)?.[1];
        return typeof value === "string" ? value : undefined;
    };
    return new Failure(message, text("code") ?? "failure", text("help"));
}

/** Tells the user of an error of something that they asked for. */
export async function tell(error: unknown): Promise<void> {
    if (error instanceof NoBinary) {
        const settings = "Open Settings";
        const retry = "Try Again";
        const answer = await vscode.window.showErrorMessage(`Towline: ${error.message}`, settings, retry);
        if (answer === settings) await vscode.commands.executeCommand("workbench.action.openSettings", "towline.path");
        if (answer === retry) await vscode.commands.executeCommand("towline.restartServer");
        return;
    }
    const message = error instanceof Error ? error.message : String(error);
    const help = error instanceof Failure && error.help !== undefined ? `: ${error.help}` : "";
    const output = "Show Output";
    const answer = await vscode.window.showErrorMessage(`Towline: ${message}${help}`, output);
    if (answer === output) await vscode.commands.executeCommand("towline.showOutput");
}
