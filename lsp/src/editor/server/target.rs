//! What the server asks the hub and the target for by itself, for completion and hover,
//! and what it tells the sync. Nothing of it is told when it fails: nobody asked for it.

use lsp_types::{Position, Url};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower_lsp::jsonrpc::Result;

use super::Face;
use crate::editor::commands;
use crate::editor::documents::offset;
use crate::editor::jobs::Words;
use crate::editor::manifest::{self, Candidates, TargetPart, Wanted};
use crate::editor::session::path_of;
use crate::editor::{live, references};
use crate::face::client::Client;
use crate::hub::api::{Request, SyncAction};
use crate::runtime::CONFIG_NAME;

/// Folders that are offered; nobody reads more.
const OFFERED_MAX: usize = 200;

impl Face {
    /// The sync looks at once, whatever its watch says.
    pub(super) async fn touched(&self) {
        let Some(editor) = self.editor.get() else { return };
        let Some(client) = Client::try_connect(&editor.session.workspace).await else { return };
        let request = Request::Sync { name: None, action: SyncAction::Saved };
        if let Err(error) = client.ask(request, |_| {}).await {
            tracing::debug!(%error, "the syncs were not told of a save");
        }
    }

    /// Where a position is in `towline.yaml`; none in other files.
    pub(super) async fn manifest_place(
        &self,
        uri: Url,
        position: Position,
    ) -> Result<Option<manifest::Place>> {
        let session = &self.editor()?.session;
        let encoding = session.encoding;
        let place = session.look(move |facts, documents| {
            let is_manifest = path_of(&uri)? == facts.root.join(CONFIG_NAME);
            let text = &documents.get(&uri).filter(|_| is_manifest)?.text;
            let byte = offset(text, position, encoding);
            let start = text[..byte].rfind('\n').map_or(0, |end| end + 1);
            Some(manifest::place(text, position.line as usize, byte - start))
        });
        Ok(place.await.flatten())
    }

    /// What the target offers at a place; nothing where it cannot be asked.
    pub(super) async fn candidates(&self, place: &manifest::Place) -> Result<Candidates> {
        let Some(wanted) = place.wanted() else { return Ok(Candidates::new()) };
        Ok(match wanted {
            Wanted::Target(part) => self.target_words(part).await?,
            Wanted::Forward => self.ports().await?,
            Wanted::Directory => self.directories(place.token()).await?,
            Wanted::Folder => self.folders(place.token()).await?,
        })
    }

    /// A word of a target, seen in the context and the namespace that the file names.
    async fn target_words(&self, part: TargetPart) -> Result<Candidates> {
        let (context, namespace) = self.pointed().await?;
        let place = json!({ "context": context, "namespace": namespace });
        let is = |values: &Value, key: &str, what: &str| -> Candidates {
            let values = values.as_array().into_iter().flatten();
            let texts =
                values.filter_map(|it| if key.is_empty() { it.as_str() } else { it[key].as_str() });
            texts.map(|text| (text.to_owned(), what.to_owned())).collect()
        };
        Ok(match part {
            TargetPart::Name => {
                let found = self.quietly("towline.list", place).await;
                let mut offered = is(&found["workloads"], "workload", "a workload");
                offered.push(("local:".to_owned(), "a directory of this machine".to_owned()));
                offered
            }
            TargetPart::Container(name) => {
                let found = self.quietly("towline.list", place).await;
                let mut rows = found["workloads"].as_array().into_iter().flatten();
                let row = rows.find(|row| row["workload"] == *name);
                row.map(|row| is(&row["containers"], "", "a container")).unwrap_or_default()
            }
            TargetPart::Namespace => {
                let context = json!({ "context": context });
                let found = self.quietly("towline.namespaces", context).await;
                is(&found["namespaces"], "", "a namespace")
            }
            TargetPart::Context => {
                let found = self.quietly("towline.contexts", json!({})).await;
                is(&found["contexts"], "name", "a context of the kubeconfig")
            }
            TargetPart::Tier => [("exec", "into the container"), ("ephemeral", "beside it")]
                .map(|(word, what)| (word.to_owned(), what.to_owned()))
                .to_vec(),
            TargetPart::Flag => [
                ("-c", "the container"),
                ("-n", "the namespace"),
                ("--context", "the context of the kubeconfig"),
                ("--tier", "where the agent goes"),
                ("--agent-image", "the image of an ephemeral container"),
                ("--all", "every pod of it"),
            ]
            .map(|(flag, what)| (flag.to_owned(), what.to_owned()))
            .to_vec(),
        })
    }

    /// The context and the namespace that the file names.
    async fn pointed(&self) -> Result<live::Place> {
        let session = &self.editor()?.session;
        let place = session.look(|facts, _| {
            live::place(&references::all(facts.config.as_deref().unwrap_or_default()))
        });
        Ok(place.await.flatten().unwrap_or_default())
    }

    /// What listens or is declared there, and the ports of services.
    async fn ports(&self) -> Result<Candidates> {
        let found = self.quietly("towline.ports.detect", json!({})).await;
        let ports = found["ports"].as_array().into_iter().flatten();
        let mut offered: Candidates = ports
            .filter_map(|row| row["port"].as_u64())
            .map(|port| (port.to_string(), "listens in the target".to_owned()))
            .collect();
        let session = &self.editor()?.session;
        let known = session.look(|facts, _| facts.live.as_ref().map(live::ports)).await.flatten();
        let declared = match known {
            Some(known) => known,
            None => {
                let (context, namespace) = self.pointed().await?;
                live::ports(&live::look((context, namespace)).await)
            }
        };
        for offer in declared {
            if !offered.iter().any(|(known, _)| *known == offer.0) {
                offered.push(offer);
            }
        }
        Ok(offered)
    }

    /// Directories of the target below the one that is being typed.
    async fn directories(&self, token: &str) -> Result<Candidates> {
        let session = &self.editor()?.session;
        if !session.look(|facts, _| facts.is_up()).await.unwrap_or(false) {
            return Ok(Candidates::new());
        }
        let folder = token.rsplit_once('/').map_or("", |(folder, _)| folder);
        let found =
            self.quietly("towline.file.list", json!({ "path": format!("{folder}/") })).await;
        let entries = found["entries"].as_array().into_iter().flatten();
        let names = entries
            .filter(|entry| entry["kind"] == "directory")
            .filter_map(|entry| entry["name"].as_str());
        Ok(names.map(|name| (format!("{folder}/{name}"), "on the target".to_owned())).collect())
    }

    /// Folders here below the one that is being typed.
    async fn folders(&self, token: &str) -> Result<Candidates> {
        let root = self.editor()?.session.workspace.root.clone();
        let before =
            token.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let listed = tokio::task::spawn_blocking(move || {
            let entries = std::fs::read_dir(root.join(&before)).into_iter().flatten().flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
            let shown = names.filter(|name| !name.starts_with('.')).take(OFFERED_MAX);
            shown.map(|name| (format!("{before}{name}"), "a folder here".to_owned())).collect()
        });
        Ok(listed.await.unwrap_or_default())
    }

    /// What a command answers; nothing when it fails: nobody asked for it.
    async fn quietly(&self, name: &str, argument: Value) -> Value {
        let Ok(editor) = self.editor() else { return Value::Null };
        let mut words = Words(watch::Sender::default());
        commands::run(&editor.session, name, argument, &mut words).await.unwrap_or_default()
    }

    pub(super) async fn variable(&self, name: &str) -> Option<String> {
        let found = self.quietly("towline.env", json!({})).await;
        let value = found["env"][name].as_str()?;
        Some(format!("`{name}` is `{value}` in the target"))
    }
}
