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
use crate::editor::manifest::{self, Candidates, Wanted};
use crate::editor::session::path_of;
use crate::face::client::Client;
use crate::hub::api::{Request, SyncAction};
use crate::runtime::CONFIG_NAME;

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
    pub(super) async fn candidates(&self, wanted: Wanted, word: &str) -> Result<Candidates> {
        let session = &self.editor()?.session;
        let mut candidates = Candidates::default();
        match wanted {
            Wanted::Target => {
                let found = commands::workloads(&commands::arguments::Where::default()).await;
                let rows = found.map(|list| list.workloads).unwrap_or_default();
                candidates.targets = rows.into_iter().map(|row| row.workload).collect();
            }
            Wanted::Forward => {
                let found = self.quietly("towline.ports.detect", json!({})).await;
                let ports = found["ports"].as_array().cloned().unwrap_or_default();
                candidates.forwards = ports
                    .iter()
                    .filter_map(|row| row["port"].as_u64())
                    .map(|port| (port.to_string(), "listens in the target".to_owned()))
                    .collect();
            }
            Wanted::Directory => {
                let up = session.look(|facts, _| facts.is_up()).await.unwrap_or(false);
                let folder = word.rsplit_once('/').map_or("", |(folder, _)| folder);
                if up {
                    let argument = json!({ "path": format!("{folder}/") });
                    let found = self.quietly("towline.file.list", argument).await;
                    let entries = found["entries"].as_array().cloned().unwrap_or_default();
                    candidates.directories = entries
                        .iter()
                        .filter(|entry| entry["kind"] == "directory")
                        .filter_map(|entry| Some(format!("{folder}/{}", entry["name"].as_str()?)))
                        .collect();
                }
            }
        }
        Ok(candidates)
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
