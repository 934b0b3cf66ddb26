//! A workspace that is up with one server of a language in it, and what is the same for each
//! language: attach, hit, look, step, leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::dap::Dap;
use harness::debuggee::{Checker, Debuggee, adapters};
use harness::sandbox::Sandbox;
use serde_json::Value;

/// A server's source, and how it is built and run.
#[derive(Debug, Clone, Copy)]
pub struct Language {
    /// The file in `apps`.
    pub file: &'static str,
    /// Builds it in its directory, if it is built.
    pub build: Option<&'static [&'static str]>,
    /// Runs it there.
    pub run: &'static [&'static str],
    /// What `towline ps` calls it.
    pub runtime: &'static str,
    /// What an editor evaluates at the breakpoint, and what comes of it.
    pub evaluate: (&'static str, &'static str),
    /// The name of its Go module, if it is one.
    pub module: Option<&'static str>,
}

/// See the module.
pub struct World {
    pub sandbox: Sandbox,
    pub app: Debuggee,
    language: Language,
}

impl World {
    /// Brings it up; the server runs before the workspace is.
    pub fn new(language: Language) -> Self {
        Self::with(language, &[])
    }

    /// The same with arguments for the server.
    pub fn with(language: Language, arguments: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("debug/apps");
        let folder = sandbox.there().join("app");
        fs::create_dir(&folder).expect("the app's directory can be made");
        for folder in [sandbox.workspace(), folder.clone()] {
            fs::copy(apps.join(language.file), folder.join(language.file)).expect("its source");
            if let Some(module) = language.module {
                let text = format!("module {module}\n\ngo 1.21\n");
                fs::write(folder.join("go.mod"), text).expect("its module");
            }
        }
        if let Some((program, rest)) = language.build.and_then(<[_]>::split_first) {
            let built = Command::new(program).args(rest).current_dir(&folder).status();
            assert!(built.is_ok_and(|status| status.success()), "the server did not build");
        }
        let (program, rest) = language.run.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(rest).args(arguments).current_dir(&folder);
        let app = Debuggee::start(command);
        let world = Self { sandbox, app, language };
        let up = ["up", "local:../there", "--sync", ".:/app"];
        let up = world.command(&up).output().expect("towline can be started");
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        world
    }

    /// `towline ARGS` with the adapters in reach.
    pub fn command(&self, args: &[&str]) -> Command {
        let adapters = adapters();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.sandbox.command(args);
        command
            .env("PATH", format!("{}:{path}", adapters.join("bin").display()))
            .env("TOWLINE_DEBUGPY", adapters.join("python"))
            .env("TOWLINE_JS_DEBUG", adapters.join("js-debug/src/dapDebugServer.js"));
        command
    }

    /// The local source.
    pub fn file(&self) -> PathBuf {
        self.sandbox.workspace().canonicalize().expect("it is there").join(self.language.file)
    }

    /// The line of the breakpoint, from 1.
    pub fn line(&self) -> u64 {
        let text = fs::read_to_string(self.file()).expect("the source");
        let at = text.lines().position(|line| line.contains("break here"));
        at.expect("the source has a line to break at") as u64 + 1
    }

    /// What `ps` says of the server.
    pub fn listed(&self) -> Value {
        let output = self.command(&["ps", "--json"]).output().expect("towline can be started");
        let document: Value = serde_json::from_slice(&output.stdout).expect("ps is JSON");
        let all = document["processes"].as_array().expect("a list");
        let found = all.iter().find(|process| process["pid"] == self.app.pid());
        found.unwrap_or_else(|| panic!("the server is not listed: {document}")).clone()
    }

    /// A client at the server.
    pub fn dap(&self, more: &[&str]) -> Dap {
        let pid = self.app.pid().to_string();
        Dap::start(self.command(&[&["dap", "--process", &pid], more].concat()))
    }

    /// Attach, hit, look, evaluate, step, let go, while somebody asks all the time.
    pub fn journey(&mut self, more: &[&str]) -> Dap {
        let listed = self.listed();
        let runtime = listed["runtime"].as_str().unwrap_or_default();
        assert!(runtime.starts_with(self.language.runtime), "{listed}");
        assert_eq!(listed["ports"][0], self.app.port, "{listed}");
        assert_eq!(listed["attach"]["state"], "yes", "{listed}");

        let checker = Checker::start(self.app.port);
        let (file, line) = (self.file().display().to_string(), self.line());
        let mut dap = self.dap(more);
        dap.attach(&file, &[line]);
        let asked = self.app.ask("/work/3");
        let (thread, frames) = dap.stopped();
        let top = &frames[0];
        assert_eq!(top["source"]["path"], *file, "{frames}");
        assert_eq!(top["line"], line, "{frames}");
        let locals = dap.locals(top);
        let value = |name: &str| {
            let found = locals.iter().find(|variable| variable["name"] == name);
            found.map(|variable| variable["value"].as_str().unwrap_or_default().to_owned())
        };
        let found = ["n", "i", "total"].map(|name| value(name).unwrap_or_default());
        assert_eq!(found, ["3", "1", "0"], "{locals:?}");
        let (expression, expected) = self.language.evaluate;
        let evaluated = dap.call(
            "evaluate",
            serde_json::json!({ "expression": expression, "frameId": top["id"], "context": "watch" }),
        );
        assert_eq!(evaluated["result"], expected, "{evaluated}");
        dap.call("next", serde_json::json!({ "threadId": thread }));
        let (_, frames) = dap.stopped();
        assert_ne!(frames[0]["line"], line, "it stepped: {frames}");
        assert_eq!(frames[0]["source"]["path"], *file, "{frames}");
        dap.set_breakpoints(&file, &[]);
        dap.call("continue", serde_json::json!({ "threadId": thread }));
        let answer = asked.join().expect("no panic").expect("an answer");
        assert!(answer.ends_with("total=14"), "{answer}");
        checker.more(5);
        dap.call("disconnect", serde_json::json!({ "terminateDebuggee": true }));
        dap.rest();
        self.app.assert_untraced();
        checker.more(20);
        self.app.assert_serves();
        let (answers, longest) = checker.end();
        println!(
            "{}: {answers} answers, the longest time without one {longest:?}",
            self.language.file
        );
        dap
    }
}
