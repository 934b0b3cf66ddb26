//! What commands ask of the person at the editor, with the protocol's own means, so that
//! editors need no views of ours.

use lsp_types::request::ShowDocument;
use lsp_types::{MessageActionItem, MessageType, ShowDocumentParams, Url};
use serde_json::{Value, json};

use super::{Editor, Face};
use crate::editor::commands::answers::{CommandLine, Ignored, Shown};
use crate::editor::commands::arguments::{LocalPath, Open, Where};
use crate::editor::commands::{self, plain_path};
use crate::editor::jobs::Words;
use crate::editor::session::Session;
use crate::face::error::FaceError;
use crate::runtime::CONFIG_NAME;

/// Workloads that are offered in one question; a person reads no more of them.
const OFFERED_MAX: usize = 20;

type Answer = Result<Value, FaceError>;

impl Face {
    /// Does a command that is the editor's matter; none when it is another one.
    pub(super) async fn asked(
        &self,
        editor: &Editor,
        name: &str,
        argument: &Value,
    ) -> Result<Option<Value>, FaceError> {
        match name {
            "towline.open" => {
                let Open { url } = commands::parsed(argument.clone())?;
                let url = url.parse();
                let url = url.map_err(|_| FaceError::usage("`url` is no address"))?;
                self.document(url, true).await.map(Some)
            }
            "towline.diff" => {
                let LocalPath { path } = commands::parsed(argument.clone())?;
                self.diff(editor, &path).await.map(Some)
            }
            "towline.shell" => {
                let root = editor.session.workspace.root.display();
                let line = format!("towline -C {root} shell");
                if !editor.has_views {
                    self.show(format!("In a terminal: {line}")).await;
                }
                Ok(Some(json!(CommandLine { command: line })))
            }
            "towline.sync.ignore" => {
                let LocalPath { path } = commands::parsed(argument.clone())?;
                self.ignore(&editor.session, &path).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The argument of `up` with a target, which a person is asked for when nothing says
    /// where to.
    pub(super) async fn completed(&self, editor: &Editor, name: &str, argument: Value) -> Answer {
        let workspace = &editor.session.workspace;
        let is_known = !argument["target"].is_null()
            || workspace.has_config()
            || workspace.settings().exists();
        if name != "towline.up" || is_known || editor.has_views {
            return Ok(argument);
        }
        let rows = match commands::workloads(&Where::default()).await {
            Ok(found) => found.workloads,
            Err(_) => return Ok(argument), // what is missing is told by the command itself
        };
        let rows: Vec<_> =
            rows.into_iter().filter(|row| row.problem.is_none()).take(OFFERED_MAX).collect();
        let titles = rows.iter().map(|row| row.workload.as_str());
        let Some(chosen) = self.choose("Where does the app run?", titles).await else {
            return Err(FaceError::usage("no workload was chosen"));
        };
        let Some(row) = rows.into_iter().find(|row| row.workload == chosen) else {
            return Ok(argument);
        };
        let mut argument = if argument.is_object() { argument } else { json!({}) };
        argument["target"] = json!(row.workload);
        if argument["sync"].is_null()
            && let Some(there) = row.cwd.filter(|there| there.len() > 1)
        {
            argument["sync"] = json!([format!(".:{there}")]);
        }
        if argument["forward"].is_null() {
            argument["forward"] = json!(row.ports.iter().map(u16::to_string).collect::<Vec<_>>());
        }
        Ok(argument)
    }

    /// Tells what a command answered, in the words of the command line.
    pub(super) async fn show_answer(&self, name: &str, answer: &Value) {
        let text = match name {
            "towline.up" | "towline.status" if answer.is_object() => {
                crate::cli::show::status(answer).join("\n")
            }
            "towline.status" => "nothing is up in this workspace".to_owned(),
            "towline.down" => "it is down".to_owned(),
            "towline.restart" => "the app was restarted".to_owned(),
            "towline.sync.resolve" => "the conflict is ended".to_owned(),
            "towline.sync.why" => answer["why"].as_str().unwrap_or_default().to_owned(),
            "towline.sync.undo" => answer["undone"].as_str().unwrap_or_default().to_owned(),
            "towline.logs" => {
                let lines = answer["lines"].as_array().into_iter().flatten();
                let lines: Vec<_> = lines.filter_map(|line| line["text"].as_str()).collect();
                lines[lines.len().saturating_sub(OFFERED_MAX)..].join("\n")
            }
            _ => return,
        };
        self.show(text).await;
    }

    async fn choose<'a>(
        &self,
        question: &str,
        titles: impl Iterator<Item = &'a str>,
    ) -> Option<String> {
        let actions: Vec<_> = titles
            .map(|title| MessageActionItem {
                title: title.to_owned(),
                properties: Default::default(),
            })
            .collect();
        if actions.is_empty() {
            return None;
        }
        let asked = self.client.show_message_request(MessageType::INFO, question, Some(actions));
        asked.await.ok().flatten().map(|action| action.title)
    }

    async fn document(&self, uri: Url, external: bool) -> Answer {
        let params = ShowDocumentParams {
            uri: uri.clone(),
            external: Some(external),
            take_focus: Some(true),
            selection: None,
        };
        match self.client.send_request::<ShowDocument>(params).await {
            Ok(shown) if shown.success => Ok(json!(Shown { shown: Some(uri.clone()), uri })),
            // An editor that cannot show it can still say where it is.
            _ => {
                self.show(uri.to_string()).await;
                Ok(json!(Shown { shown: None, uri }))
            }
        }
    }

    /// The target's content, in a file of its own beside nothing of the user's.
    async fn diff(&self, editor: &Editor, path: &str) -> Answer {
        let argument = json!({ "path": path });
        let found = commands::run(
            &editor.session,
            "towline.difference",
            argument,
            &mut Words(Default::default()),
        )
        .await?;
        if editor.has_views {
            return Ok(found);
        }
        let tried = "unable to keep the target's content";
        let folder = editor.session.workspace.shown_dir();
        let name = plain_path(path).replace('/', "_");
        let file = folder.join(name.trim_start_matches('_'));
        let write = async {
            tokio::fs::create_dir_all(&folder).await?;
            tokio::fs::write(&file, found["target"].as_str().unwrap_or_default()).await
        };
        write.await.map_err(|error| FaceError::tried(tried, &error))?;
        let uri = crate::editor::facts::uri_of(&file);
        self.document(uri.ok_or_else(|| FaceError::new(tried))?, false).await
    }

    /// Writes a path into `.gitignore`, or into a sync of `towline.yaml`, as the user
    /// says: nothing is written that was not asked about.
    async fn ignore(&self, session: &Session, path: &str) -> Answer {
        let file = session.workspace.root.join(plain_path(path));
        let root = session.workspace.root.clone();
        let below = file
            .strip_prefix(&root)
            .map_err(|_| FaceError::usage(format!("`{path}` is not in this workspace")))?;
        let pattern = format!("/{}", below.display());
        const GITIGNORE: &str = "Write it into .gitignore";
        const LEAVE: &str = "Leave it";
        let question = format!("`{pattern}` will not be synced any more.");
        let chosen = self.choose(&question, [GITIGNORE, LEAVE].into_iter()).await;
        if chosen.as_deref() != Some(GITIGNORE) {
            let help = format!("a line of `ignore:` in {CONFIG_NAME} does the same");
            return Err(FaceError::new("nothing was written").help(help));
        }
        let gitignore = root.join(".gitignore");
        let tried = "unable to write .gitignore";
        let before = match tokio::fs::read_to_string(&gitignore).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(FaceError::tried(tried, &error)),
        };
        let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        let text = format!("{before}{end}{pattern}\n");
        tokio::fs::write(&gitignore, text)
            .await
            .map_err(|error| FaceError::tried(tried, &error))?;
        Ok(crate::documents::of(&Ignored { ignored: pattern }))
    }
}
