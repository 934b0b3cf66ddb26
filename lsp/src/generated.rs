//! What other languages are told of the Rust side: the extension's TypeScript shapes, the
//! commands and settings in its package.json, the commands in Neovim's help, the schema of
//! `towline.yaml` as a file. Each is a part of the repository that this test compares with
//! what it should be; `UPDATE=1 cargo test --workspace --lib generated` writes them.

use std::path::{Path, PathBuf};

mod package;
mod typescript;
mod vimdoc;

/// Compares a file with what it should be, or writes it where that is asked for.
fn check(path: &str, wanted: impl FnOnce(&str) -> String) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = wanted(&is);
    if is == wanted {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let differs = is.lines().zip(wanted.lines()).position(|(is, wanted)| is != wanted);
    let line = differs.unwrap_or(is.lines().count().min(wanted.lines().count()));
    panic!(
        "{} is stale at line {}:\n  it is {:?}\n  and should be {:?}\n\
         `UPDATE=1 cargo test --workspace --lib generated` writes it",
        path.display(),
        line + 1,
        is.lines().nth(line),
        wanted.lines().nth(line),
    );
}

/// The lines between the one that `from` is and the next one that `to` is, replaced.
fn between(text: &str, from: &str, to: &str, lines: &str) -> String {
    let line = |text: &str, line: &str| text.find(&format!("\n{line}\n"));
    let begin = line(text, from).unwrap_or_else(|| panic!("there is no line {from:?}"));
    // Its own end of line is kept: the next line may be the one that is looked for.
    let begin = begin + 1 + from.len();
    let end = line(&text[begin..], to).unwrap_or_else(|| panic!("no line {to:?} behind it"));
    format!("{}\n{lines}{}", &text[..begin], &text[begin + end + 1..])
}

#[test]
fn the_schema_of_the_file_is_in_the_repository() {
    check("lsp/schema/towline.schema.json", |_| format!("{:#}\n", crate::config::schema::config()));
}
