// Owns what the status bar says of a view. Pure.

import type { Status } from "./protocol";
import { count, duration, notTaken, shortTarget } from "./text";
import { isConnected, type View } from "./view";

export interface Bar {
    /** With codicons. */
    readonly text: string;
    readonly tooltip: string;
    /** For screen readers. */
    readonly spoken: string;
    readonly severity: "none" | "warning" | "error";
}

export function barOf(view: View): Bar {
    switch (view.state) {
        case "noFolder":
            return bar("$(link) Towline", "no folder is open");
        case "starting":
            return bar("$(loading~spin) Towline", "starting");
        case "broken":
            return bar("$(error) Towline", view.reason, "error");
        case "told":
            if (isConnected(view.status)) return connected(view.status, view.conflicts.length);
            if (view.error !== null) return bar("$(warning) Towline", view.error, "warning");
            return bar("$(link) Towline", "not connected");
    }
}

function connected(status: Status, conflicts: number): Bar {
    const { readiness, link } = status;
    const target = shortTarget(status.target ?? "target");
    // A brake is a failure, too, but one whose name says what to do.
    const held = status.syncs.find(({ phase }) => phase.phase === "braked" || phase.phase === "halted");
    if (readiness.state === "failed" && (held === undefined || link?.state !== "up")) {
        return bar(`$(error) ${target}: failed`, `${readiness.reason}\n${readiness.help}`, "error");
    }
    switch (link?.state) {
        case "down":
            return bar(`$(error) ${target}: link is down`, link.reason, "error");
        case "reconnecting":
            return bar(
                `$(sync~spin) ${target}: reconnecting`,
                `attempt ${link.attempt}: ${link.reason}`,
                "warning",
            );
        case "connecting":
            return bar(`$(sync~spin) ${target}: connecting`, link.step);
        case undefined:
            return bar(`$(sync~spin) ${target}: connecting`, "not linked yet");
        case "up":
            break;
    }
    const linked = `${duration(link.rtt_us)} · ${link.carrier}`;
    const passed = notTaken(link.passed).map(([way, why]) => `\nnot by ${way}: ${why}`);
    const tooltip = `${status.target ?? ""}\nlinked by ${link.carrier}, round trip ${duration(link.rtt_us)}${passed.join("")}`;
    if (held !== undefined && "reason" in held.phase) {
        return bar(`$(warning) ${target}: sync held · ${linked}`, `${held.phase.reason}\n${tooltip}`, "warning");
    }
    if (conflicts > 0) {
        return bar(`$(warning) ${target}: ${count(conflicts, "conflict")} · ${linked}`, tooltip, "warning");
    }
    if (readiness.state === "pending") {
        return bar(`$(sync~spin) ${target} · ${linked}`, `waits for ${readiness.waiting_for}\n${tooltip}`);
    }
    return bar(`$(link) ${target} · ${linked}`, tooltip);
}

function bar(text: string, tooltip: string, severity: Bar["severity"] = "none"): Bar {
    const plain = text.replace(/\$\([^)]*\) /, "");
    return {
        text,
        tooltip: `Towline: ${tooltip}`,
        spoken: plain.startsWith("Towline") ? `${plain}, ${tooltip}` : `Towline, ${plain}, ${tooltip}`,
        severity,
    };
}
