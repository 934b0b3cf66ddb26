// Owns the choice between two `towline` programs by what they say of their versions.

/** The version that `towline --version` printed, or undefined when it is none. */
export function parseVersion(printed: string): readonly number[] | undefined {
    const match = /^towline (\d+)\.(\d+)\.(\d+)/.exec(printed);
    return match?.slice(1).map(Number);
}

/** Whether `a` is a later version than `b`. */
export function isNewer(a: readonly number[], b: readonly number[]): boolean {
    for (const [index, part] of a.entries()) {
        const other = b[index] ?? 0;
        if (part !== other) return part > other;
    }
    return false;
}

/** A program and what it printed for `--version`; undefined when it did not run. */
export interface Candidate {
    readonly path: string;
    readonly printed: string | undefined;
}

/**
 * The bundled one, unless the one on PATH is newer: whoever installs a newer one wants it, and an
 * old one that is forgotten there must not win over an updated extension.
 */
export function choose(bundled: Candidate, onPath: Candidate | undefined): Candidate {
    const ours = parseVersion(bundled.printed ?? "");
    const theirs = parseVersion(onPath?.printed ?? "");
    if (onPath !== undefined && theirs !== undefined && (ours === undefined || isNewer(theirs, ours))) {
        return onPath;
    }
    return bundled;
}
