//! Problems that compilers, tests and crashing programs tell of in their output: which
//! file, which line, what. Pure: lines in, problems out.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// Lines of a trace that are kept while its message is awaited.
const FRAMES_MAX: usize = 64;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the output names it: absolute, or relative to where the program runs,
    /// or with [`Problem::is_suffix`] only its end.
    pub path: String,
    /// Whether the path is known by its end only, as Java tells it.
    pub is_suffix: bool,
    /// From 1.
    pub line: u32,
    /// From 1; none where only the line is told.
    pub column: Option<u32>,
    /// What is wrong there.
    pub message: String,
    /// How bad it is.
    pub level: Level,
    /// Who told of it.
    pub teller: Teller,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It has to be mended.
    Error,
    /// It should be.
    Warning,
    /// A running program came by here when it failed.
    Trace,
}

/// Whose output told of a problem; a new run of it makes the old ones void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// What follows an edit.
    Hook,
    /// The app.
    App,
}

/// Reads one program's output, line by line.
#[derive(Debug)]
pub struct Reader {
    teller: Teller,
    /// Frames that wait for the message below them, as Python tells it.
    python: Option<Vec<Place>>,
    /// The message above the frames, as most others tell it.
    headline: Option<String>,
    /// A place that is told above its message, as Node tells what it cannot parse.
    unparsed: Option<Place>,
    /// What rustc said above the place.
    rustc: Option<(Level, String)>,
    /// A Rust panic whose message is on the next line.
    panic: Option<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    path: String,
    is_suffix: bool,
    line: u32,
    column: Option<u32>,
}

/// A pattern that is compiled once.
struct Pattern(&'static str, OnceLock<Regex>);

impl Pattern {
    const fn new(text: &'static str) -> Self {
        Self(text, OnceLock::new())
    }

    fn captures<'t>(&'static self, line: &'t str) -> Option<Captures<'t>> {
        let regex = self.1.get_or_init(|| match Regex::new(self.0) {
            Ok(regex) => regex,
            Err(error) => panic!("a pattern of ours is wrong: {error}"), // a test compiles all
        });
        regex.captures(line)
    }
}

/// `path:line:col: error: message`: gcc, clang, javac, go, eslint's unix format.
static COMPILER: Pattern = Pattern::new(
    r"^\s*(?P<path>(?:\.{0,2}/)?[\w@.+-][\w@.+/ -]*\.[A-Za-z]\w*):(?P<line>\d+)(?::(?P<col>\d+))?:\s*(?:(?P<level>fatal error|error|warning|note)(?:\[\w+\])?:\s*)?(?P<message>\S.*)$",
);
/// An absolute path, which may have more in it.
static COMPILER_ABSOLUTE: Pattern = Pattern::new(
    r"^\s*(?P<path>/[^:]+):(?P<line>\d+)(?::(?P<col>\d+))?:\s*(?:(?P<level>fatal error|error|warning|note)(?:\[\w+\])?:\s*)?(?P<message>\S.*)$",
);
/// `path(line,col): error TS2304: message`: tsc, msbuild.
static TSC: Pattern = Pattern::new(
    r"^(?P<path>[^\s(][^(]*)\((?P<line>\d+),(?P<col>\d+)\):\s*(?P<level>error|warning)\s*(?P<message>.+)$",
);
/// rustc's first line, and its place two below.
static RUSTC: Pattern = Pattern::new(r"^(?P<level>error|warning)(?:\[\w+\])?: (?P<message>.+)$");
static RUSTC_PLACE: Pattern = Pattern::new(r"^\s*--> (?P<path>[^:]+):(?P<line>\d+):(?P<col>\d+)$");
static PYTHON_BEGIN: Pattern = Pattern::new(r"^\s*Traceback \(most recent call last\):");
static PYTHON_FRAME: Pattern = Pattern::new(r#"^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)"#);
static PYTHON_END: Pattern = Pattern::new(
    r"^(?P<message>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|[A-Z]\w*)(?::.*)?)$",
);
static NODE_FRAME: Pattern = Pattern::new(
    r"^\s+at (?:.* \()?(?:file://)?(?P<path>/[^():]+|[A-Za-z]:\\[^():]+):(?P<line>\d+):(?P<col>\d+)\)?$",
);
/// Node's first line of a script that it cannot parse: no frame names the place.
static NODE_UNPARSED: Pattern =
    Pattern::new(r"^(?:file://)?(?P<path>/[^:]+\.[cm]?[jt]sx?):(?P<line>\d+)$");
static JAVA_FRAME: Pattern = Pattern::new(
    r"^\s+at (?:[\w.$/]+//?)?(?P<class>[\w.$]+)\.[\w$<>]+\((?P<file>[\w$]+\.(?:java|kt|scala|groovy)):(?P<line>\d+)\)",
);
static GO_FRAME: Pattern = Pattern::new(r"^\t(?P<path>/\S+\.go):(?P<line>\d+)(?: \+0x[0-9a-f]+)?$");
static RUST_PANIC: Pattern = Pattern::new(
    r"^thread '.*'(?: \(\d+\))? panicked at (?P<path>[^:]+):(?P<line>\d+):(?P<col>\d+):$",
);
static RUST_FRAME: Pattern =
    Pattern::new(r"^\s+at (?P<path>(?:\./|/)\S+\.rs):(?P<line>\d+):(?P<col>\d+)$");
/// Sanitizers and debuggers: `#1 0x55 in main /src/a.cpp:12:3`.
static NATIVE_FRAME: Pattern = Pattern::new(
    r"^\s*#\d+ .* (?:in|at) (?:.* )?(?P<path>[^\s:()]+\.(?:c|cc|cpp|cxx|h|hpp|rs)):(?P<line>\d+)(?::(?P<col>\d+))?$",
);
/// glibc's assert: `prog: a.cpp:12: int main(): Assertion `x' failed.`
static ASSERTION: Pattern = Pattern::new(
    r"^\S+: (?P<path>[^\s:]+):(?P<line>\d+): .*(?P<message>Assertion `.*' failed\.?)$",
);
/// UndefinedBehaviorSanitizer tells the place itself.
static UNDEFINED: Pattern = Pattern::new(
    r"^(?P<path>[^\s:]+\.\w+):(?P<line>\d+)(?::(?P<col>\d+))?: (?P<message>runtime error: .+)$",
);
/// What stands above frames: `panic: …`, `TypeError: …`, `Exception in thread …`.
static HEADLINE: Pattern = Pattern::new(
    r"^(?:Uncaught )?(?P<message>(?:panic|fatal error): .+|.*\bpanic serving .+|Exception in thread .+|==\d+==\s*ERROR: .+|(?:Caused by: |Suppressed: )?(?:[\w$]+\.)*(?:[A-Z]\w*)?(?:Error|Exception)\b.*)$",
);

impl Reader {
    /// Of what `teller` writes.
    pub fn new(teller: Teller) -> Self {
        Self { teller, python: None, headline: None, unparsed: None, rustc: None, panic: None }
    }

    /// The problems that this line tells of, with those before it.
    pub fn line(&mut self, line: &str) -> Vec<Problem> {
        let line = line.trim_end();
        if let Some(place) = self.panic.take() {
            self.headline = Some(line.to_owned());
            return vec![self.trace(place, line)];
        }
        if let Some(found) = self.python(line) {
            return found;
        }
        if let Some(frame) = self.frame(line) {
            let message = self.headline.clone().unwrap_or_else(|| "it failed here".to_owned());
            return vec![self.trace(frame, &message)];
        }
        if let Some(found) = RUST_PANIC.captures(line) {
            self.panic = place(&found);
            return Vec::new();
        }
        if let Some(found) = NODE_UNPARSED.captures(line) {
            self.unparsed = place(&found);
            return Vec::new();
        }
        if let Some(found) = ASSERTION.captures(line).or_else(|| UNDEFINED.captures(line)) {
            let place = place(&found);
            return place.map(|place| self.trace(place, &found["message"])).into_iter().collect();
        }
        if let Some(found) = HEADLINE.captures(line) {
            self.headline = Some(found["message"].to_owned());
            // Of all other errors the frames tell the place, with the column.
            let unparsed = self.unparsed.take().filter(|_| line.starts_with("SyntaxError"));
            if let Some(place) = unparsed {
                return vec![self.trace(place, &found["message"])];
            }
        }
        // What a running program prints is no compiler's word.
        if self.teller == Teller::Hook { self.compiler(line) } else { Vec::new() }
    }

    /// Python tells the message after the frames.
    fn python(&mut self, line: &str) -> Option<Vec<Problem>> {
        if PYTHON_BEGIN.captures(line).is_some() {
            self.python = Some(Vec::new());
            return Some(Vec::new());
        }
        if self.python.is_none() && PYTHON_FRAME.captures(line).is_some() {
            self.python = Some(Vec::new()); // a file that it cannot parse has no head
        }
        let frames = self.python.as_mut()?;
        if let Some(found) = PYTHON_FRAME.captures(line) {
            if frames.len() < FRAMES_MAX {
                frames.extend(place(&found));
            }
            return Some(Vec::new());
        }
        if line.is_empty() || line.starts_with([' ', '\t']) {
            return Some(Vec::new()); // the source's own lines
        }
        let frames = self.python.take()?;
        let found = PYTHON_END.captures(line)?;
        let message = found["message"].to_owned();
        Some(frames.into_iter().map(|frame| self.trace(frame, &message)).collect())
    }

    /// A frame below its headline.
    fn frame(&self, line: &str) -> Option<Place> {
        if let Some(found) = JAVA_FRAME.captures(line) {
            // Of `com.acme.Api$Inner` the package is a path.
            let package = found["class"].rsplit_once('.').map_or("", |(package, _)| package);
            let folder = package.replace('.', "/");
            let file = &found["file"];
            let path = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
            let line = found["line"].parse().ok()?;
            return Some(Place { path, is_suffix: true, line, column: None });
        }
        [&NODE_FRAME, &GO_FRAME, &RUST_FRAME, &NATIVE_FRAME]
            .into_iter()
            .find_map(|pattern| pattern.captures(line))
            .and_then(|found| place(&found))
    }

    fn compiler(&mut self, line: &str) -> Vec<Problem> {
        if let Some(found) = RUSTC_PLACE.captures(line) {
            let Some((level, message)) = self.rustc.take() else { return Vec::new() };
            let found = place(&found);
            return found.map(|at| self.problem(at, &message, level)).into_iter().collect();
        }
        if let Some(found) = RUSTC.captures(line) {
            self.rustc =
                Some((level(found.name("level").map(|m| m.as_str())), found["message"].to_owned()));
            return Vec::new();
        }
        let found = [&TSC, &COMPILER_ABSOLUTE, &COMPILER]
            .into_iter()
            .find_map(|pattern| pattern.captures(line));
        let Some(found) = found else { return Vec::new() };
        let word = found.name("level").map(|found| found.as_str());
        if word == Some("note") {
            return Vec::new(); // it belongs to the one before
        }
        let at = place(&found);
        at.map(|at| self.problem(at, &found["message"], level(word))).into_iter().collect()
    }

    fn trace(&self, place: Place, message: &str) -> Problem {
        self.problem(place, message, Level::Trace)
    }

    fn problem(&self, place: Place, message: &str, level: Level) -> Problem {
        let Place { path, is_suffix, line, column } = place;
        let message = message.to_owned();
        Problem { path, is_suffix, line, column, message, level, teller: self.teller }
    }
}

fn level(word: Option<&str>) -> Level {
    if word == Some("warning") { Level::Warning } else { Level::Error }
}

fn place(found: &Captures<'_>) -> Option<Place> {
    let line = found["line"].parse().ok().filter(|line| *line > 0)?;
    let column = found.name("col").and_then(|column| column.as_str().parse().ok());
    let path = found["path"].trim_start_matches("./").to_owned();
    Some(Place { path, is_suffix: false, line, column })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(teller: Teller, text: &str) -> Vec<String> {
        let mut reader = Reader::new(teller);
        text.lines()
            .flat_map(|line| reader.line(line))
            .map(|found| {
                let column = found.column.map_or(String::new(), |column| format!(":{column}"));
                format!("{}:{}{column} {:?} {}", found.path, found.line, found.level, found.message)
            })
            .collect()
    }

    #[track_caller]
    fn check(teller: Teller, text: &str, expected: &[&str]) {
        assert_eq!(read(teller, text), expected, "{text}");
    }

    #[test]
    fn compilers_are_understood() {
        let check = |text, expected: &[&str]| check(Teller::Hook, text, expected);
        check("src/a.c:3:7: error: expected ';'", &["src/a.c:3:7 Error expected ';'"]);
        check("/app/a.c:3:7: warning: unused", &["/app/a.c:3:7 Warning unused"]);
        check("a.c:1:1: note: here", &[]);
        check("./main.go:12:2: undefined: x", &["main.go:12:2 Error undefined: x"]);
        check("    api_test.go:9: got 1", &["api_test.go:9 Error got 1"]);
        check("Api.java:5: error: ';' expected", &["Api.java:5 Error ';' expected"]);
        check("src/a.ts(4,2): error TS2304: no x", &["src/a.ts:4:2 Error TS2304: no x"]);
        check(
            "error[E0425]: cannot find value `x`\n  --> src/main.rs:2:5\n   |",
            &["src/main.rs:2:5 Error cannot find value `x`"],
        );
        check("tests/test_a.py:7: AssertionError", &["tests/test_a.py:7 Error AssertionError"]);
        check("listening on 127.0.0.1:8080: ok", &[]);
        check("12:30:01: started", &[]);
    }

    #[test]
    fn stack_traces_are_understood() {
        let check = |text, expected: &[&str]| check(Teller::App, text, expected);
        check(
            "Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in f\n    g()\n  \
             File \"/app/b.py\", line 9, in g\n    1 / 0\nZeroDivisionError: division by zero",
            &[
                "/app/a.py:3 Trace ZeroDivisionError: division by zero",
                "/app/b.py:9 Trace ZeroDivisionError: division by zero",
            ],
        );
        check(
            "TypeError: x is not a function\n    at f (/app/a.js:3:5)\n    at file:///app/b.mjs:1:2\n    \
             at node:internal/main:1:1",
            &[
                "/app/a.js:3:5 Trace TypeError: x is not a function",
                "/app/b.mjs:1:2 Trace TypeError: x is not a function",
            ],
        );
        check(
            "panic: boom\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/app/main.go:7 +0x1d",
            &["/app/main.go:7 Trace panic: boom"],
        );
        check(
            "thread 'main' panicked at src/main.rs:2:5:\nboom\nstack backtrace:\n   1: app::f\n             \
             at ./src/lib.rs:9:1",
            &["src/main.rs:2:5 Trace boom", "src/lib.rs:9:1 Trace boom"],
        );
        check(
            "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat \
             com.acme.Api$Inner.run(Api.java:12)\n\tat app//Main.main(Main.java:3)",
            &[
                "com/acme/Api.java:12 Trace Exception in thread \"main\" \
                 java.lang.IllegalStateException: no",
                "Main.java:3 Trace Exception in thread \"main\" java.lang.IllegalStateException: no",
            ],
        );
        check(
            "==9==ERROR: AddressSanitizer: heap-use-after-free\n    #0 0x55 in f(int) /src/a.cpp:12:3",
            &["/src/a.cpp:12:3 Trace ==9==ERROR: AddressSanitizer: heap-use-after-free"],
        );
        check(
            "app: a.cpp:12: int main(): Assertion `x > 0' failed.",
            &["a.cpp:12 Trace Assertion `x > 0' failed."],
        );
        check("GET /a.py:3:4: error: none 200", &[]);
    }

    #[test]
    fn rarer_forms_of_them_are_understood() {
        let check = |text, expected: &[&str]| check(Teller::App, text, expected);
        check(
            "  File \"/app/s.py\", line 2\n    x = (\n        ^\nSyntaxError: '(' was never closed",
            &["/app/s.py:2 Trace SyntaxError: '(' was never closed"],
        );
        check(
            "/app/s.js:3\n\n\n\nSyntaxError: Unexpected end of input\n    at wrapSafe \
             (node:internal/modules/cjs/loader:1464:18)",
            &["/app/s.js:3 Trace SyntaxError: Unexpected end of input"],
        );
        check(
            "file:///app/p.mjs:2\n  throw new Error(\"no\");\n        ^\n\nError: no\n    \
             at g (file:///app/p.mjs:2:9)\n    at file:///app/p.mjs:4:7",
            &["/app/p.mjs:2:9 Trace Error: no", "/app/p.mjs:4:7 Trace Error: no"],
        );
        check(
            "2026/11/25 17:02:31 http: panic serving 127.0.0.1:49390: boom\ngoroutine 7 [running]:\n\
             panic({0x6e1400?, 0x775250?})\n\t/usr/local/go/src/runtime/panic.go:860 +0x13a\n\
             main.main.func1({0x1?, 0x2?}, 0x0?)\n\t/app/main.go:10 +0x25",
            &[
                "/usr/local/go/src/runtime/panic.go:860 Trace 2026/11/25 17:02:31 http: panic \
                 serving 127.0.0.1:49390: boom",
                "/app/main.go:10 Trace 2026/11/25 17:02:31 http: panic serving \
                 127.0.0.1:49390: boom",
            ],
        );
        check(
            "java.lang.IllegalStateException: no\n\tat com.acme.Api.run(Api.java:8)\n\
             Caused by: java.lang.NullPointerException: null\n\tat com.acme.Api.run(Api.java:6)\n\
             \t... 1 more",
            &[
                "com/acme/Api.java:8 Trace java.lang.IllegalStateException: no",
                "com/acme/Api.java:6 Trace Caused by: java.lang.NullPointerException: null",
            ],
        );
        check(
            "u.cpp:3:14: runtime error: index 6 out of bounds for type 'int [3]'",
            &["u.cpp:3:14 Trace runtime error: index 6 out of bounds for type 'int [3]'"],
        );
    }

    proptest! {
        #[test]
        fn any_line_is_survived(lines in prop::collection::vec("\\PC{0,60}", 0..20)) {
            for teller in [Teller::App, Teller::Hook] {
                let mut reader = Reader::new(teller);
                for line in &lines {
                    reader.line(line);
                }
            }
        }
    }
}
