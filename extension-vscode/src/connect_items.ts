// Owns what the Connect picker offers and how answers become the argument of `up`. Pure.

import type { Context, Up, Workload } from "./protocol";
import { count } from "./text";

/** How many targets are remembered. */
export const RECENT_MAX = 8;

export interface Item<Value> {
    readonly label: string;
    readonly description?: string;
    readonly detail?: string;
    readonly value: Value;
}

/** What the first page leads to. */
export type Choice =
    | { readonly kind: "recent"; readonly up: Up }
    | { readonly kind: "file" }
    | { readonly kind: "local" }
    | { readonly kind: "kubernetes" };

/** The first page: where one has been, then where one can go. */
export function firstItems(recent: readonly Up[], hasFile: boolean): Item<Choice>[] {
    return [
        ...recent.map((up) => ({ label: `$(history) ${up.target ?? ""}`, description: describe(up), value: { kind: "recent" as const, up } })),
        ...(hasFile
            ? [{ label: "$(file-code) What towline.yaml says", description: "target, syncs, ports and app of this folder", value: { kind: "file" as const } }]
            : []),
        { label: "$(device-desktop) This machine…", description: "a directory beside this one", value: { kind: "local" } },
        { label: "$(server-environment) Kubernetes…", description: "a workload of a cluster, as it runs", value: { kind: "kubernetes" } },
    ];
}

function describe(up: Up): string {
    return [
        up.container,
        up.namespace === undefined ? undefined : `in ${up.namespace}`,
        up.context,
        up.sync?.map((sync) => sync.replace(/^\.:/, "")).join(" "),
        up.forward?.join(" "),
    ]
        .filter((part) => part !== undefined && part !== "")
        .join(" · ");
}

/** With `up` in front, each target once. */
export function remember(recent: readonly Up[], up: Up): Up[] {
    return [up, ...recent.filter((other) => place(other) !== place(up))].slice(0, RECENT_MAX);
}

function place(up: Up): string {
    return JSON.stringify([up.target, up.context, up.namespace, up.container]);
}

/** The namespace that a context means. */
export function namespaceOf({ namespace }: Context): string {
    return namespace ?? "default";
}

/** The kubeconfig's current context first. */
export function contextItems(contexts: readonly Context[]): Item<Context>[] {
    return [...contexts]
        .sort((a, b) => Number(b.current) - Number(a.current))
        .map((context) => ({
            label: context.name,
            description: context.current ? `current · ${namespaceOf(context)}` : namespaceOf(context),
            value: context,
        }));
}

/** The context's own namespace first; null stands for one that is typed. */
export function namespaceItems(own: string, namespaces: readonly string[], problem: string | null): Item<string | null>[] {
    const others = namespaces.filter((name) => name !== own);
    return [
        { label: own, description: "the context's own", value: own },
        ...others.map((name) => ({ label: name, value: name })),
        {
            label: "$(edit) Another…",
            description: "type its name",
            ...(problem === null ? {} : { detail: problem }),
            value: null,
        },
    ];
}

/** Workloads that can be connected to first. */
export function workloadItems(workloads: readonly Workload[]): Item<Workload>[] {
    return [...workloads]
        .sort((a, b) => Number(a.problem !== null) - Number(b.problem !== null))
        .map((workload) => ({
            label: `$(${workload.problem === null ? "package" : "warning"}) ${workload.workload}`,
            description: `${workload.ready} of ${count(workload.pods, "pod")} ready${workload.ports.length > 0 ? ` · ${workload.ports.join(" ")}` : ""}`,
            ...(workload.problem === null ? {} : { detail: workload.problem }),
            value: workload,
        }));
}

/** The chosen container is the first. */
export function containerItems(containers: readonly string[]): Item<string>[] {
    return containers.map((name, index) => ({ label: name, ...(index === 0 ? { description: "the main one" } : {}), value: name }));
}

/** `8080 9090:5432`, with spaces or commas. */
export function parsePorts(text: string): string[] {
    return text.split(/[\s,]+/).filter((part) => part !== "");
}

/** What is wrong with a list of ports, if something is; the server knows the rest. */
export function portsProblem(text: string): string | undefined {
    const wrong = parsePorts(text).find((part) => !/^(?:[\w./-]+:|\[[\da-fA-F:]+\]:)*[\w.-]+(?:\/udp)?$/.test(part));
    return wrong === undefined ? undefined : `${wrong} is none of PORT, LOCAL:REMOTE, HOST:PORT, LOCAL:HOST:PORT`;
}

/** What is wrong with the directory to sync with, if something is. */
export function directoryProblem(text: string): string | undefined {
    if (!text.startsWith("/")) return "an absolute path, as the target names it";
    return text.replace(/\/+$/, "") === "" ? "a directory below the root" : undefined;
}

export interface Answers {
    readonly target: string;
    readonly context?: string;
    readonly namespace?: string;
    readonly container?: string;
    readonly directory: string;
    readonly ports: string;
    readonly command?: string;
}

/** The argument of `up` that the answers mean. */
export function upOf({ target, context, namespace, container, directory, ports, command }: Answers): Up {
    return {
        target,
        ...(context === undefined ? {} : { context }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(container === undefined ? {} : { container }),
        sync: [`.:${directory}`],
        forward: parsePorts(ports),
        // The line is one for a shell, as it is in towline.yaml.
        ...(command === undefined || command.trim() === "" ? {} : { command: ["sh", "-c", command] }),
    };
}
