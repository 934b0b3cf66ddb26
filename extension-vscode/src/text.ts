// Owns how numbers, counts and links are written for people.

import type { Passed } from "./protocol";

/** `2.6 ms`, from microseconds. */
export function duration(micros: number): string {
    if (micros < 1000) return `${micros} µs`;
    if (micros < 1_000_000) return `${(micros / 1000).toFixed(1)} ms`;
    return `${(micros / 1_000_000).toFixed(1)} s`;
}

/** `700.4 KiB`. */
export function size(bytes: number): string {
    const units = ["B", "KiB", "MiB", "GiB"];
    let rest = bytes;
    let unit = 0;
    while (rest >= 1024 && unit < units.length - 1) {
        rest /= 1024;
        unit += 1;
    }
    return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit] ?? ""}`;
}

/** `1 conflict`, `2 conflicts`. */
export function count(number: number, noun: string): string {
    return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** The better ways that are not taken by a link, and why. */
export function notTaken({ udp, tunnel }: Passed): (readonly [way: string, why: string])[] {
    return [
        ...(udp === undefined ? [] : [["UDP", udp] as const]),
        ...(tunnel === undefined ? [] : [["port-forward", tunnel] as const]),
    ];
}

/** What of a target fits into a line: `local:/a/b/c` is `c` on this machine. */
export function shortTarget(target: string): string {
    if (target.startsWith("local:")) return target.slice(target.lastIndexOf("/") + 1) || target;
    return target.split(" ")[0] ?? target;
}
