// Owns the way between a path as the target names it and the file here, and finding such paths in
// lines of text. Pure.

import type { Status } from "./protocol";

/** A directory on the target and the one here that is the same. */
export interface Root {
    readonly remote: string;
    readonly local: string;
}

/** A place that a line of text names, with its part of the line. */
export interface Place {
    readonly start: number;
    readonly length: number;
    readonly remote: string;
    /** From one, as compilers count. */
    readonly line: number | undefined;
    readonly column: number | undefined;
}

/** The synced directories, the longest first: the innermost one decides. */
export function rootsOf(status: Status): Root[] {
    const roots = status.syncs.flatMap(({ alpha, beta }) => {
        const remote = beta.replace(/\/+$/, "");
        const names = [{ remote, local: alpha }];
        // There `/app` is `DIR/app`, and the processes say so.
        if (status.target?.startsWith("local:/") === true) {
            names.push({ remote: status.target.slice("local:".length).replace(/\/+$/, "") + remote, local: alpha });
        }
        return names;
    });
    return roots.sort((a, b) => b.remote.length - a.remote.length);
}

/** The file here that is synced with `remote`, if one is. */
export function localOf(remote: string, roots: readonly Root[]): string | undefined {
    const root = roots.find((root) => remote === root.remote || remote.startsWith(`${root.remote}/`));
    return root === undefined ? undefined : root.local + remote.slice(root.remote.length);
}

/** Before a path: what would make it the tail of a longer one. */
const INSIDE = /[\w./\\~-]/;
/** The rest of a path, as far as programs write it without quotes. */
const TAIL = /^(?:\/[^\s:"'`()<>[\]{},;|*?]+)+/;
/** `:12:5`, `(12,5)`, `", line 12` and `, line 12`. */
const POSITION = /^(?::(\d+)(?::(\d+))?|\((\d+)(?:,\s?(\d+))?\)|["']?,? line (\d+))/;

/** The paths beneath synced directories that `text` names. */
export function placesIn(text: string, roots: readonly Root[]): Place[] {
    const places: Place[] = [];
    for (const { remote } of roots) {
        for (let at = text.indexOf(`${remote}/`); at !== -1; at = text.indexOf(`${remote}/`, at + 1)) {
            const taken = places.some(({ start, length }) => at < start + length && start < at + remote.length);
            if (taken || (at > 0 && INSIDE.test(text.charAt(at - 1)))) continue;
            const after = text.slice(at + remote.length);
            // A full stop after a path ends a sentence.
            const tail = TAIL.exec(after)?.[0].replace(/\.+$/, "");
            if (tail === undefined || tail === "") continue;
            const position = POSITION.exec(after.slice(tail.length));
            const number = (...groups: number[]): number | undefined => {
                const digits = groups.map((group) => position?.[group]).find((group) => group !== undefined);
                return digits === undefined ? undefined : Number(digits);
            };
            places.push({
                start: at,
                length: remote.length + tail.length + (position?.[0].length ?? 0),
                remote: remote + tail,
                line: number(1, 3, 5),
                column: number(2, 4),
            });
        }
    }
    return places.sort((a, b) => a.start - b.start);
}
