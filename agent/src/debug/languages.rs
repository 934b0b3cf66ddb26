//! The registry of languages: how a process of each is known, by what way a debugger gets
//! in, and which adapters there are. Data only; a new language is a new entry.

use protocol::wire::debug::Quirk;

/// How a debugger gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The adapter itself stops the process by ptrace.
    Ptrace,
    /// A few calls are made in the process by ptrace; the adapter speaks with what they
    /// start.
    Inject,
    /// A signal opens its inspector.
    Signal,
    /// Only a flag at its start opens the way.
    StartFlag,
    /// There is none yet.
    None,
}

/// How an adapter is started and spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// On its standard input and output.
    Stdio,
    /// It connects to a port of the agent's, which stands for `{address}`.
    DialsBack,
}

/// A debug adapter.
#[derive(Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its name.
    pub name: &'static str,
    /// Programs that are it, the best first.
    pub programs: &'static [&'static str],
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// See [`Speaks`].
    pub speaks: Speaks,
    /// The arguments of its `attach`; `{pid}` and `{exe}` stand for the process's.
    pub attach: &'static str,
    /// How it differs from DAP.
    pub quirks: &'static [Quirk],
}

/// A language.
#[derive(Debug, PartialEq, Eq)]
pub struct Language {
    /// Its id.
    pub id: &'static str,
    /// Programs that run it, without a version behind the name.
    pub programs: &'static [&'static str],
    /// Libraries that run it, by the beginnings of their names.
    pub libraries: &'static [&'static str],
    /// See [`Way`].
    pub way: Way,
    /// Its adapters, the best first.
    pub adapters: &'static [Adapter],
    /// Endings of its source files.
    pub sources: &'static [&'static str],
}

const NATIVE: &[Adapter] = &[
    Adapter {
        name: "lldb-dap",
        programs: &["lldb-dap", "lldb-dap-22", "lldb-dap-21", "lldb-dap-20", "lldb-dap-19"],
        arguments: &[],
        speaks: Speaks::Stdio,
        // Without a program it finds no symbols across mount namespaces.
        attach: r#"{"pid":{pid},"program":"{exe}","stopOnEntry":false}"#,
        quirks: &[],
    },
    Adapter {
        name: "gdb",
        programs: &["gdb"],
        arguments: &["-q", "-nx", "-iex", "set sysroot {root}", "-i", "dap"],
        speaks: Speaks::Stdio,
        attach: r#"{"pid":{pid},"program":"{exe}"}"#,
        quirks: &[Quirk::StopsAtAttach, Quirk::PauseBeforeDisconnect],
    },
];

/// All of them; the first that fits counts.
pub const LANGUAGES: &[Language] = &[
    Language {
        id: "python",
        programs: &["python", "python3", "pypy", "pypy3"],
        libraries: &["libpython3"],
        way: Way::Inject,
        adapters: &[Adapter {
            name: "debugpy",
            programs: &[],
            arguments: &[],
            speaks: Speaks::Stdio,
            // Children would speak with an adapter that nobody follows.
            attach: r#"{"listen":{"host":"127.0.0.1","port":0},"subProcess":false}"#,
            quirks: &[],
        }],
        sources: &[".py"],
    },
    Language {
        id: "node",
        programs: &["node", "nodejs"],
        libraries: &["libnode"],
        way: Way::Signal,
        adapters: &[Adapter {
            name: "inspector",
            programs: &[],
            arguments: &[],
            speaks: Speaks::Stdio,
            attach: r#"{"type":"pwa-node","request":"attach"}"#,
            quirks: &[Quirk::Inspector, Quirk::ChildSession],
        }],
        sources: &[".js", ".ts", ".mjs"],
    },
    Language {
        id: "jvm",
        programs: &["java"],
        libraries: &["libjvm"],
        way: Way::StartFlag,
        adapters: &[],
        sources: &[".java", ".kt"],
    },
    Language {
        id: "dotnet",
        programs: &["dotnet"],
        libraries: &["libcoreclr"],
        way: Way::None,
        adapters: &[],
        sources: &[".cs"],
    },
    Language {
        id: "ruby",
        programs: &["ruby"],
        libraries: &["libruby"],
        way: Way::None,
        adapters: &[],
        sources: &[".rb"],
    },
    Language {
        id: "php",
        programs: &["php", "php-fpm"],
        libraries: &["libphp"],
        way: Way::None,
        adapters: &[],
        sources: &[".php"],
    },
    GO,
    NATIVE_CODE,
];

/// Known by what its compiler writes.
pub const GO: Language = Language {
    id: "go",
    programs: &[],
    libraries: &[],
    way: Way::Ptrace,
    adapters: &[Adapter {
        name: "dlv",
        programs: &["dlv"],
        arguments: &["dap", "--check-go-version=false", "--client-addr={address}"],
        speaks: Speaks::DialsBack,
        attach: r#"{"mode":"local","processId":{pid},"stopOnEntry":false}"#,
        quirks: &[],
    }],
    sources: &[".go"],
};

/// Everything else.
pub const NATIVE_CODE: Language = Language {
    id: "native",
    programs: &[],
    libraries: &[],
    way: Way::Ptrace,
    adapters: NATIVE,
    sources: &[".c", ".cc", ".cpp", ".cxx", ".rs", ".zig", ".h"],
};

/// The language whose program or library this is. `python3.11` is `python`.
pub fn known_by(program: &str, libraries: &[String]) -> Option<&'static Language> {
    let plain = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    LANGUAGES.iter().find(|language| {
        language.programs.contains(&program)
            || language.programs.contains(&plain)
            || language
                .libraries
                .iter()
                .any(|known| libraries.iter().any(|library| library.starts_with(known)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_libraries_tell_the_language() {
        let check = |program: &str, library: &str, expected: Option<&str>| {
            let found = known_by(program, &[library.to_owned()]).map(|language| language.id);
            assert_eq!(found, expected, "{program} {library}");
        };
        check("python3.11", "", Some("python"));
        check("uwsgi", "libpython3.9.so.1.0", Some("python"));
        check("node", "libc.so.6", Some("node"));
        check("java", "libjvm.so", Some("jvm"));
        check("nodejs-like", "libc.so.6", None);
        check("pythonista", "", None);
    }

    #[test]
    fn what_adapters_are_told_is_json() {
        for adapter in LANGUAGES.iter().flat_map(|language| language.adapters) {
            let text = adapter.attach.replace("{pid}", "7").replace("{exe}", "/x");
            assert!(text.starts_with('{') && text.ends_with('}') && !text.contains("{pid}"));
        }
    }
}
