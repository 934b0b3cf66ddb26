// Owns what the Session view shows: a status as nodes with words and icons. Pure.

import type { App, Conflict, Forward, Hook, Link, ListeningPort, Readiness, Status, Sync } from "./protocol";
import { count, duration, notTaken, shortTarget, size } from "./text";

/** What a node stands for; commands of its context menu get it. */
export type Subject =
    | { readonly kind: "forward"; readonly forward: Forward }
    | { readonly kind: "detected"; readonly port: number }
    | { readonly kind: "sync"; readonly sync: Sync }
    | { readonly kind: "path"; readonly path: string }
    | { readonly kind: "conflict"; readonly conflict: Conflict };

export interface Node {
    /** Stable over statuses, so that what is expanded and selected stays so. */
    readonly id: string;
    readonly label: string;
    readonly description?: string;
    readonly tooltip?: string;
    /** The name of a codicon. */
    readonly icon: string;
    /** The name of a theme colour for it. */
    readonly color?: string;
    /** What its menus are chosen by. */
    readonly context?: string;
    readonly subject?: Subject;
    /** What a click or Enter does. */
    readonly command?: string;
    readonly open?: boolean;
    readonly children?: readonly Node[];
}

const RED = "list.errorForeground";
const YELLOW = "list.warningForeground";

/** The root nodes of a status. */
export function nodesOf(status: Status, conflicts: readonly Conflict[], detected: readonly ListeningPort[]): Node[] {
    return [
        targetNode(status),
        portsNode(status.forwards, detected),
        ...status.syncs.map((sync) => syncNode(sync, conflicts.filter((conflict) => conflict.sync === sync.name))),
        ...(status.app === null ? [] : [appNode(status.app)]),
        ...status.hooks.map(hookNode),
        { id: "terminal", label: "Open Terminal", description: "a shell beside the app", icon: "terminal", command: "towline.openTerminal" },
        { id: "files", label: "Browse Target Files", icon: "files", command: "towline.browse" },
    ];
}

function targetNode({ target, readiness, link, warnings }: Status): Node {
    const children: Node[] = [];
    if (link?.state === "up") {
        children.push({ id: "link", label: "Link", description: linkText(link), icon: "link", tooltip: `the agent is there by ${link.bootstrap}` });
        for (const [way, why] of notTaken(link.passed)) {
            children.push({ id: `passed/${way}`, label: `Not by ${way}`, description: why, tooltip: why, icon: "info" });
        }
    }
    if (readiness.state === "failed") {
        children.push({ id: "help", label: readiness.help, tooltip: readiness.help, icon: "lightbulb" });
    }
    for (const warning of warnings) {
        children.push({ id: `warning/${warning}`, label: warning, tooltip: warning, icon: "warning", color: YELLOW });
    }
    const [icon, color] = targetIcon(readiness, link);
    return {
        id: "target",
        label: shortTarget(target ?? "target"),
        description: readinessText(readiness, link),
        tooltip: `${target ?? "target"}: ${readinessText(readiness, link)}`,
        icon,
        ...(color === undefined ? {} : { color }),
        context: "target",
        open: readiness.state === "failed" || warnings.length > 0,
        children,
    };
}

function targetIcon(readiness: Readiness, link: Link | null): readonly [icon: string, color?: string] {
    // Something waits for a decision; nothing is broken.
    if (readiness.state === "failed" && readiness.code === "conflict") return ["warning", YELLOW];
    if (readiness.state === "failed" || link?.state === "down") return ["error", RED];
    if (link?.state === "up" && readiness.state === "ready") return ["vm-active"];
    return ["sync~spin"];
}

function readinessText(readiness: Readiness, link: Link | null): string {
    if (readiness.state === "failed") return readiness.reason;
    if (link !== null && link.state !== "up") return linkText(link);
    if (readiness.state === "pending") return `waits for ${readiness.waiting_for}`;
    return link === null ? "not linked" : linkText(link);
}

function linkText(link: Link): string {
    switch (link.state) {
        case "up":
            return `${duration(link.rtt_us)} by ${link.carrier}`;
        case "connecting":
            return `connecting: ${link.step}`;
        case "reconnecting":
            return `reconnecting, attempt ${link.attempt}: ${link.reason}`;
        case "down":
            return `down: ${link.reason}`;
    }
}

function portsNode(forwards: readonly Forward[], detected: readonly ListeningPort[]): Node {
    const unknown = detected.filter((port) => !port.forwarded);
    return {
        id: "ports",
        label: "Ports",
        description: forwards.length === 0 ? "none forwarded" : String(forwards.length),
        icon: "radio-tower",
        context: "ports",
        open: true,
        children: [
            ...forwards.map(forwardNode),
            ...unknown.map(({ port, address }) => ({
                id: `detected/${address}/${port}`,
                label: String(port),
                description: "detected",
                tooltip: `something on the target listens at port ${port}`,
                icon: "search",
                context: "detected",
                subject: { kind: "detected" as const, port },
            })),
        ],
    };
}

function forwardNode(forward: Forward): Node {
    const parts = [`→ ${forward.remote}`];
    if (forward.protocol === "udp") parts.push("udp");
    if (forward.instead_of !== null) parts.push(`${forward.instead_of} was taken`);
    if (forward.open > 0) parts.push(`${forward.open} open`);
    if (forward.last_error !== null) parts.push(forward.last_error);
    const traffic = `${count(forward.total, "connection")}, ${size(forward.bytes_out)} out, ${size(forward.bytes_in)} in`;
    const trouble = forward.last_error !== null || forward.instead_of !== null;
    return {
        id: `forward/${forward.spec}`,
        label: localName(forward),
        description: parts.join(" · "),
        tooltip: `${forward.local.join(", ")} → ${forward.remote} (${forward.protocol})\n${traffic}`,
        icon: trouble ? "warning" : "globe",
        ...(trouble ? { color: YELLOW } : {}),
        // No browser opens datagrams.
        context: forward.protocol === "tcp" ? "forward" : "forward.udp",
        subject: { kind: "forward", forward },
    };
}

/** `localhost:8080` */
export function localName(forward: Forward): string {
    const address = forward.local[0] ?? "";
    return address.replace(/^(127\.0\.0\.1|\[::1\])(?=:)/, "localhost");
}

function syncNode(sync: Sync, conflicts: readonly Conflict[]): Node {
    const held = ["paused", "braked", "halted"].includes(sync.phase.phase);
    const [icon, color] = syncIcon(sync, conflicts.length);
    const children: Node[] = [
        ...("reason" in sync.phase
            ? [{ id: `sync/${sync.name}/held`, label: sync.phase.reason, tooltip: sync.phase.reason, icon: "warning", color: YELLOW }]
            : []),
        ...conflicts.map(conflictNode),
        ...sync.problems.map(([path, why]) => ({
            id: `sync/${sync.name}/problem/${path}`,
            label: path,
            description: why,
            tooltip: `${path}: ${why}`,
            icon: "circle-slash",
            context: "path",
            subject: { kind: "path" as const, path: `${sync.alpha}/${path}` },
        })),
        ...sync.degraded.map((text) => ({ id: `sync/${sync.name}/degraded/${text}`, label: text, tooltip: text, icon: "info" })),
        // The same file may be edited twice, so its place in the list is part of its name.
        ...sync.recent.map((edit, index) => ({
            id: `sync/${sync.name}/recent/${index}`,
            label: edit.path,
            description: `${edit.direction}, ${duration(edit.latency_us)}`,
            tooltip: `${edit.path} ${edit.direction}, visible there after ${duration(edit.latency_us)}`,
            icon: edit.direction === "to target" ? "arrow-up" : "arrow-down",
            context: "path",
            subject: { kind: "path" as const, path: `${sync.alpha}/${edit.path}` },
        })),
    ];
    return {
        id: `sync/${sync.name}`,
        label: `Sync ${sync.name}`,
        description: syncText(sync, conflicts.length),
        tooltip: `${sync.alpha} ⇄ ${sync.beta}\n${syncText(sync, conflicts.length)}\nafter edits: ${sync.on_change}`,
        icon,
        ...(color === undefined ? {} : { color }),
        context: held ? "sync.held" : "sync.running",
        subject: { kind: "sync", sync },
        open: true,
        children,
    };
}

function syncIcon(sync: Sync, conflicts: number): readonly [icon: string, color?: string] {
    switch (sync.phase.phase) {
        case "halted":
            return ["error", RED];
        case "braked":
            return ["warning", YELLOW];
        case "paused":
            return ["debug-pause"];
        case "in_sync":
            return conflicts > 0 ? ["warning", YELLOW] : ["check"];
        case "waiting":
        case "scanning":
        case "applying":
            return ["sync~spin"];
    }
}

function syncText(sync: Sync, conflicts: number): string {
    const files = `${count(sync.files, "file")}, ${size(sync.bytes)}`;
    const also = conflicts > 0 ? `${count(conflicts, "conflict")}, ` : "";
    switch (sync.phase.phase) {
        case "waiting":
            return "waits for the link";
        case "scanning":
            return `looks at both trees: ${sync.phase.alpha} here, ${sync.phase.beta} there`;
        case "applying":
            return `${also}${count(sync.pending, "edit")} to go, ${size(sync.pending_bytes)}`;
        case "in_sync":
            return `${also}in sync, ${files}`;
        case "paused":
            return `${also}paused`;
        case "braked":
            return `${also}held by the brake`;
        case "halted":
            return `${also}halted`;
    }
}

function conflictNode(conflict: Conflict): Node {
    return {
        id: `conflict/${conflict.sync}/${conflict.path}`,
        label: conflict.path,
        description: `here: ${conflict.local}, there: ${conflict.target}`,
        tooltip: `both sides changed ${conflict.path}; neither is touched until you say which stays`,
        icon: "diff",
        color: YELLOW,
        context: "conflict",
        subject: { kind: "conflict", conflict },
        command: "towline.showConflict",
    };
}

function appNode(app: App): Node {
    const [icon, color] = appIcon(app);
    const text = appText(app);
    const command = commandLine(app.command);
    return {
        id: "app",
        label: "App",
        description: `${text} · ${command}`,
        tooltip: `${command}\n${text}`,
        icon,
        ...(color === undefined ? {} : { color }),
        context: "app",
        command: "towline.showLogs",
    };
}

/** As it was typed: a line for a shell without the shell. */
function commandLine(words: readonly string[]): string {
    const [shell, flag, line, ...rest] = words;
    return shell === "sh" && flag === "-c" && line !== undefined && rest.length === 0 ? line : words.join(" ");
}

function appIcon(app: App): readonly [icon: string, color?: string] {
    switch (app.state) {
        case "running":
            return ["play-circle"];
        case "waiting":
            return ["clock"];
        case "exited":
            return app.code === 0 ? ["pass"] : ["error", RED];
        case "failed":
            return ["error", RED];
    }
}

function appText(app: App): string {
    switch (app.state) {
        case "running":
            return app.starts > 1 ? `runs, started ${app.starts} times` : "runs";
        case "waiting":
            return "waits for the first sync";
        case "exited":
            return app.code === null ? `ended by signal ${app.signal ?? "?"}` : `ended with status ${app.code}`;
        case "failed":
            return `could not be started: ${app.reason}`;
    }
}

function hookNode(hook: Hook): Node {
    return {
        id: `hook/${hook.sync}/${hook.action}`,
        label: `After edits of ${hook.sync}`,
        description: hook.last_error ?? (hook.running ? `${hook.action}, runs` : `${hook.action}, ran ${count(hook.runs, "time")}`),
        tooltip: hook.last_error ?? hook.action,
        icon: hook.last_error === null ? "zap" : "error",
        ...(hook.last_error === null ? {} : { color: RED }),
        command: "towline.showLogs",
    };
}
