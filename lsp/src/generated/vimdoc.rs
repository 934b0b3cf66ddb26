//! The commands' part of Neovim's help: of each command that the command line has, too,
//! the first sentence is the command line's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{between, check};
use crate::cli::verbs;

/// A command of `:Towline`.
struct Verb {
    name: &'static str,
    arguments: &'static str,
    /// What the editor adds to what the command line says of it; paragraphs.
    more: &'static [&'static str],
}

const fn verb(name: &'static str, arguments: &'static str, more: &'static [&'static str]) -> Verb {
    Verb { name, arguments, more }
}

const VERBS: &[Verb] = &[
    verb(
        "connect",
        "",
        &["Asks where the app runs (this machine, or a context, a namespace, a \
        workload, a container) through |vim.ui.select()|, then what is synced and forwarded, and \
        brings that up."],
    ),
    verb(
        "up",
        "[{target}] [{flags}] [-- {command}]",
        &["Target and flags are those of \
        `towline up`, without --foreground; what is not said is taken from `towline.yaml`. \
        Relative paths are seen from the working directory. Progress is shown in the command \
        line."],
    ),
    verb("down", "", &[", and an `up` that still goes on."]),
    verb("status", "", &[", in a floating window that follows it. `q` or <Esc> closes it."]),
    verb("restart", "", &[]),
    verb(
        "forward add",
        "{port} ...",
        &[": PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT, with \
        /udp behind it for datagrams. <Tab> offers what something listens on there."],
    ),
    verb("forward list", "", &[", in the |quickfix| window. |gx| on a line opens its address."]),
    verb("forward remove", "{port} ...", &[", named as it was written or by its local port."]),
    verb(
        "open",
        "[{port}]",
        &["Opens the link under the cursor: a folder, a file or a forwarded port that \
        `towline.yaml` names, the local end of a `host:port` in source. Else a forward in the \
        browser, named as it was written or by its local port."],
    ),
    verb("sync pause", "[{name}]", &[", for one sync or for all."]),
    verb(
        "sync resume",
        "[--delete | --restore] [{name}]",
        &["After a brake `--delete` says that \
        the deletions are wanted, `--restore` puts the files back."],
    ),
    verb("sync wait", "[{name}]", &["A message says so."]),
    verb("sync why", "[{path}]", &[", or for the current file."]),
    verb("sync undo", "[{path}]", &[", at all or at a path."]),
    verb(
        "sync ignore",
        "[{path}]",
        &["Never syncs a path, or the current file, any more: writes it into .gitignore, after a \
        question."],
    ),
    verb(
        "conflicts",
        "",
        &["Lists files that both sides changed in the |quickfix| window. The \
        list follows what becomes of them. See |towline-conflicts|."],
    ),
    verb(
        "diff",
        "[{path}]",
        &["Shows a file, or the current one, beside the target's version, in \
        |diff-mode| in a new tab page."],
    ),
    verb(
        "keep",
        "mine|theirs|both [{path}]",
        &["Ends the conflict of a file, or of the current \
        one, which is also the one under the cursor in the quickfix window. With `both` mine \
        stays in place and theirs is put beside it. What loses goes to the trash; see \
        |:Towline-sync-undo|."],
    ),
    verb("logs", "", &[" in a terminal buffer, and what comes."]),
    verb(
        "shell",
        "[{directory}]",
        &[", in a |terminal| buffer, in a directory of the target or in \
        the first sync's."],
    ),
    verb(
        "exec",
        "{command} [arguments]",
        &[
            ", in a |terminal| buffer, in the first sync's \
        directory.",
            "In the terminal buffers of these commands |gf| goes to the local file of \
        the path under the cursor, which is a path of the target, and to its line where one \
        follows, as in `/app/a.py:12` and in a Python traceback. A file that is not synced is \
        opened as |:Towline-edit| does.",
        ],
    ),
    verb(
        "edit",
        "{path}",
        &["Edits a file of the target in a buffer named `towline://NAME/PATH`, \
        where NAME is the workspace's directory. A relative path is seen from the first sync's \
        directory. `:w` writes it there, but not over what somebody wrote since it was read; \
        `:w!` does. A directory is listed: <CR> opens an entry, `-` goes up."],
    ),
    verb("ps", "[--all]", &[", in a |terminal| buffer."]),
    verb(
        "debug",
        "[{process}]",
        &[", which is a name or the id that |:Towline-ps| shows, in a |terminal| buffer."],
    ),
    verb("doctor", "[--fix]", &["; see also |towline-health|."]),
];

/// What the command line has that is no matter of an editor, or goes by another name.
const ELSEWHERE: &[&str] = &[
    "list", // the pickers' matter
    "rbac", // an administrator's
    "agent-image",
    "cp",             // :Towline edit
    "sync list",      // :Towline status
    "sync conflicts", // :Towline conflicts
    "sync resolve",   // :Towline keep
    "dap",            // a debug client starts it
    "demo",
    "completions",
    "man",
    "schema",
    "lsp",
];

/// Longest line, as 'textwidth' is 80 and what is indented is so by a tab.
const WIDTH: usize = 72;

fn section() -> String {
    let known = verbs();
    let mut text = "\n".to_owned();
    tag(&mut text, ":Towline");
    text.push_str(":Towline {command} [arguments]\n");
    paragraph(
        &mut text,
        "Arguments are split as a shell does: quotes and backslashes keep blanks. <Tab> completes \
         commands and what may follow them. Without a command it is |:Towline-status|.",
    );
    text.push('\n');
    paragraph(
        &mut text,
        "All commands are about the workspace of the current buffer, else of the working directory.",
    );
    for Verb { name, arguments, more } in VERBS {
        text.push('\n');
        tag(&mut text, &format!(":Towline-{}", name.replace(' ', "-")));
        let _ = writeln!(text, "{}", format!(":Towline {name} {arguments}").trim_end());
        let about = known.iter().find(|(known, _)| known == name);
        let about = about.map(|(_, about)| about.replace('\n', " ")).unwrap_or_default();
        let first = more.first().copied().unwrap_or_default();
        let is_new = first.chars().next().is_none_or(char::is_alphanumeric);
        let end = if is_new && !about.is_empty() { ". " } else { "" };
        paragraph(&mut text, &format!("{about}{end}{first}"));
        for later in more.iter().skip(1) {
            text.push('\n');
            paragraph(&mut text, later);
        }
    }
    text.push('\n');
    text
}

fn tag(text: &mut String, name: &str) {
    let _ = writeln!(text, "\t\t\t\t\t\t\t*{name}*");
}

fn paragraph(text: &mut String, words: &str) {
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "\t{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "\t{line}");
}

#[test]
fn the_help_of_neovim_has_the_commands() {
    check("lsp/nvim/doc/towline.txt", |text| {
        let from = "COMMANDS\t\t\t\t\t\t*towline-commands*";
        between(text, from, &"=".repeat(78), &section())
    });
}

#[test]
fn each_verb_of_the_command_line_has_its_place_in_neovim() {
    let here: BTreeSet<_> =
        VERBS.iter().map(|verb| verb.name).chain(ELSEWHERE.iter().copied()).collect();
    let known = verbs();
    let missing: Vec<_> = known.iter().filter(|(name, _)| !here.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "neither in Neovim nor said why not: {missing:?}");
    let gone: Vec<_> =
        ELSEWHERE.iter().filter(|name| !known.iter().any(|(known, _)| known == *name)).collect();
    assert!(gone.is_empty(), "the command line has them no more: {gone:?}");
}
