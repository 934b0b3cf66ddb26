//! The merge matrix as a table: one line per case, one column per mode.

use alloc::format;
use alloc::string::String;

use super::*;

/// `-` nothing, `d` a directory, `l1` a link, `f1` a file, `f1x` an executable one.
fn state(text: &str) -> Option<Entry> {
    let (text, mode) = match text.strip_suffix('x') {
        Some(text) => (text, 0o755),
        None => (text, 0o644),
    };
    let number = text[1..].parse().unwrap_or(0);
    Some(match &text[..1] {
        "-" => return None,
        "d" => Entry::Directory { mode },
        "l" => Entry::Symlink { target: alloc::vec![number] },
        "f" => Entry::File { digest: [number; 32], size: 1, mode, mtime_ns: 0 },
        _ => panic!("no state: {text}"),
    })
}

fn name(state: Option<&Entry>) -> String {
    match state {
        None => "-".into(),
        Some(Entry::Directory { mode: 0o755 }) => "dx".into(),
        Some(Entry::Directory { .. }) => "d".into(),
        Some(Entry::Symlink { target }) => format!("l{}", target[0]),
        Some(Entry::File { digest, mode, .. }) => {
            format!("f{}{}", digest[0], if *mode == 0o755 { "x" } else { "" })
        }
    }
}

/// `=` agreed, `!` conflict, `.` leave, `<f1` alpha is to hold f1, `>f1` beta is.
fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Agreed => "=".into(),
        Verdict::Conflict => "!".into(),
        Verdict::Leave => ".".into(),
        Verdict::Carry { to: Side::Alpha, new } => format!("<{}", name(new.as_ref())),
        Verdict::Carry { to: Side::Beta, new } => format!(">{}", name(new.as_ref())),
    }
}

const MODES: [Mode; 4] =
    [Mode::TwoWaySafe, Mode::TwoWayAlphaWins, Mode::OneWaySafe, Mode::OneWayReplica];

fn check(acquaintance: Acquaintance, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap();
        let (ancestor, alpha, beta) = (state(next()), state(next()), state(next()));
        let ancestor = ancestor.map(Ancestor::same);
        for mode in MODES {
            let expected = next();
            let got = merge(mode, acquaintance, ancestor.as_ref(), alpha.as_ref(), beta.as_ref());
            assert_eq!(verdict(got), expected, "{line} ({mode:?})");
        }
    }
}

#[test]
fn a_path_both_sides_know_merges_by_three_ways() {
    // ancestor alpha beta | two-way-safe, two-way-alpha-wins, one-way-safe, one-way-replica
    check(
        Acquaintance::Joined,
        "
        -   -   -     =    =    =    =
        f1  f1  f1    =    =    =    =
        f1  f2  f2    =    =    =    =
        f1  -   -     =    =    =    =
        -   d   d     =    =    =    =

        f1  f2  f1    >f2  >f2  >f2  >f2
        f1  f1  f2    <f2  <f2  !    >f1
        f1  f2  f3    !    >f2  !    >f2

        -   f1  -     >f1  >f1  >f1  >f1
        -   -   f1    <f1  <f1  .    >-
        -   f1  f2    !    >f1  !    >f1
        -   d   f1    !    >d   !    >d
        -   f1  d     !    >f1  !    >f1

        f1  -   f1    >-   >-   >-   >-
        f1  f1  -     <-   <-   >f1  >f1
        f1  -   f2    <f2  >-   .    >-
        f1  f2  -     >f2  >f2  >f2  >f2
        d   -   d     >-   >-   >-   >-
        d   d   -     <-   <-   >d   >d

        f1  d   f1    >d   >d   >d   >d
        f1  f1  d     <d   <d   !    >f1
        f1  d   d     =    =    =    =
        d   f1  d     >f1  >f1  >f1  >f1
        f1  l1  f1    >l1  >l1  >l1  >l1
        f1  l1  l2    !    >l1  !    >l1
        d   f1  l1    !    >f1  !    >f1
        l1  l1  l2    <l2  <l2  !    >l1
        ",
    );
}

#[test]
fn permission_bits_merge_on_their_own() {
    check(
        Acquaintance::Joined,
        "
        f1  f1x f1    >f1x >f1x >f1x >f1x
        f1  f1  f1x   <f1x <f1x >f1  >f1
        f1x f1  f1    =    =    =    =
        f1  f2  f1x   >f2x >f2x >f2  >f2
        f1  f1x f2    <f2x <f2x !    >f1x
        f1  f2x f1x   >f2x >f2x >f2x >f2x
        -   f1  f1x   >f1  >f1  >f1  >f1
        d   dx  d     >dx  >dx  >dx  >dx
        d   d   dx    <dx  <dx  >d   >d
        -   d   dx    >d   >d   >d   >d
        ",
    );
}

#[test]
fn trees_that_meet_are_united_and_nothing_is_deleted() {
    check(
        Acquaintance::Meeting,
        "
        -   f1  f2    >f1  >f1  >f1  >f1
        -   f1  -     >f1  >f1  >f1  >f1
        -   -   f1    <f1  <f1  .    >-
        -   d   f1    >d   >d   >d   >d
        -   f1  d     !    !    !    >f1
        -   l1  l2    >l1  >l1  >l1  >l1
        f1  f2  f3    !    >f2  !    >f2
        ",
    );
}

#[test]
fn a_side_that_cannot_keep_a_mode_has_not_changed_it() {
    let (plain, executable) = (state("f1").unwrap(), state("f1x").unwrap());
    let ancestor = Ancestor::pair(executable.clone(), &plain).unwrap();
    let verdict = |alpha: &Entry, beta: &Entry| {
        let how = Mode::TwoWaySafe;
        verdict(merge(how, Acquaintance::Joined, Some(&ancestor), Some(alpha), Some(beta)))
    };
    assert_eq!(verdict(&executable, &plain), "=");
    assert_eq!(verdict(&executable, &state("f2").unwrap()), "<f2");
    assert_eq!(verdict(&state("f2x").unwrap(), &plain), ">f2x");
}

#[test]
fn no_merge_ever_invents_content_or_loses_a_change_unasked() {
    let states = ["-", "d", "dx", "f1", "f1x", "f2", "f3x", "l1", "l2"];
    let how = Mode::TwoWaySafe;
    for ancestor in states {
        for alpha in states {
            for beta in states {
                let case = format!("{ancestor} {alpha} {beta}");
                let ancestor = state(ancestor).map(Ancestor::same);
                let (alpha, beta) = (state(alpha), state(beta));
                let merged = merge(
                    how,
                    Acquaintance::Joined,
                    ancestor.as_ref(),
                    alpha.as_ref(),
                    beta.as_ref(),
                );
                let Verdict::Carry { to, new } = merged else { continue };
                let (target, source) = match to {
                    Side::Alpha => (&alpha, &beta),
                    Side::Beta => (&beta, &alpha),
                };
                let content = |state: &Option<Entry>| state.as_ref().map(|e| with_mode(e, 0));
                assert_eq!(content(&new), content(source), "{case}: carries what nobody has");
                // What is overwritten is what both agreed on, or only a mode.
                let base = ancestor.as_ref().map(|ancestor| ancestor.entry().clone());
                let harmless = content(target) == content(&base)
                    || content(target) == content(&new)
                    || target.is_none();
                assert!(harmless, "{case}: overwrites a change");
            }
        }
    }
}
