//! The one task that owns what the editor has open and what is known of the workspace.
//! Everything reaches it through one queue, in the order in which the editor said it;
//! what the editor is to see leaves by another. Waits for nobody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lsp_types::{Diagnostic, TextDocumentContentChangeEvent, Url};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::diagnostics;
use super::documents::{Documents, Encoding};
use super::facts::{Conflict, Facts};
use super::live::{self, Live};
use super::problems::Problem;
use super::references;
use crate::cluster::contexts::{self, Context};
use crate::config;
use crate::face::client::Client;
use crate::hub::api::Request;
use crate::runtime::{CONFIG_NAME, Workspace};
use crate::target::Target;

/// Inputs that wait; who has more waits, too.
const INPUTS_MAX: usize = 1024;

/// A look at everything, done in the session's turn.
type Look = Box<dyn FnOnce(&Facts, &Documents) + Send>;

/// What reaches the session.
pub enum Input {
    /// The editor opened a text.
    Open(Url, i32, String),
    /// It changed one.
    Change(Url, i32, Vec<TextDocumentContentChangeEvent>),
    /// It closed one.
    Close(Url),
    /// The hub's status and its conflicts; none when no hub runs.
    Status(Option<Value>, Vec<Conflict>),
    /// What the output tells of now.
    Problems(Vec<Problem>),
    /// What the cluster has.
    Live(Live),
    /// Somebody looks.
    Look(Look),
}

/// What the editor is to see.
pub enum Output {
    /// Everything that is to be underlined in a file now.
    Diagnostics(Url, Vec<Diagnostic>),
    /// The parameters of `towline/status`.
    Status(Value),
    /// Lenses say something else now.
    Lenses,
}

/// What `towline/status` carries: all that is ever shown.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "StatusNotification"))]
pub struct Told {
    /// The workspace.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub root: Option<Url>,
    /// The document of `towline status --json`; none while no hub runs.
    #[cfg_attr(test, schemars(with = "Option<crate::status::Status>"))]
    pub status: Option<Value>,
    /// Paths that both sides changed.
    pub conflicts: Vec<Conflict>,
    /// What stands in the way of telling more.
    pub error: Option<String>,
}

/// A way to the session. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    /// server, watch --input--> session
    input_tx: mpsc::Sender<Input>,
    /// Whose.
    pub workspace: Workspace,
    /// How columns are counted.
    pub encoding: Encoding,
}

impl Session {
    /// Starts one, and what follows the hub for it.
    pub fn start(
        workspace: Workspace,
        encoding: Encoding,
        output_tx: mpsc::Sender<Output>,
    ) -> Self {
        let (input_tx, input_rx) = mpsc::channel(INPUTS_MAX);
        let facts = Facts { root: workspace.root.clone(), ..Facts::default() };
        let documents = Documents::new(encoding);
        let (place_tx, place_rx) = watch::channel(None);
        let state =
            State { facts, documents, shown: BTreeMap::new(), greeted: false, output_tx, place_tx };
        tokio::spawn(state.run(input_rx));
        tokio::spawn(live::follow(place_rx, input_tx.clone()));
        tokio::spawn(super::watch::follow(workspace.clone(), input_tx.clone()));
        Self { input_tx, workspace, encoding }
    }

    /// Says something; returns when there is room for it.
    pub async fn say(&self, input: Input) {
        let _ = self.input_tx.send(input).await; // it ends with the editor
    }

    /// Looks at everything that was said before.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Facts, &Documents) -> T + Send + 'static,
    ) -> Option<T> {
        let (seen_tx, seen_rx) = oneshot::channel();
        let look: Look = Box::new(move |facts, documents| {
            let _ = seen_tx.send(look(facts, documents)); // nobody waits any more
        });
        self.say(Input::Look(look)).await;
        seen_rx.await.ok()
    }

    /// Where a local file is on the target, by the hub's word where it has not come yet:
    /// who has just brought something up asks at once.
    pub async fn remote_of(&self, file: &Path) -> Option<String> {
        let seen = file.to_owned();
        let known = self.look(move |facts, _| facts.remote_of(&seen)).await.flatten();
        if known.is_some() {
            return known;
        }
        let client = Client::connect(&self.workspace).await.ok()?;
        let status = client.ask(Request::Status { watch: false }, |_| {}).await.ok()?;
        let mut facts = Facts::default();
        facts.told(Some(status));
        facts.remote_of(file)
    }
}

struct State {
    facts: Facts,
    documents: Documents,
    /// What the editor shows now.
    shown: BTreeMap<Url, Vec<Diagnostic>>,
    /// Whether the editor knows anything yet.
    greeted: bool,
    output_tx: mpsc::Sender<Output>,
    /// session --where to look--> live
    place_tx: watch::Sender<Option<live::Place>>,
}

impl State {
    async fn run(mut self, mut input_rx: mpsc::Receiver<Input>) {
        self.judge_config();
        self.show().await;
        while let Some(input) = input_rx.recv().await {
            match input {
                Input::Open(uri, version, text) => {
                    self.documents.open(uri.clone(), version, text);
                    self.edited(&uri).await;
                }
                Input::Change(uri, version, changes) => {
                    self.documents.change(&uri, version, changes);
                    self.edited(&uri).await;
                }
                Input::Close(uri) => {
                    self.documents.close(&uri);
                    self.edited(&uri).await;
                }
                Input::Status(raw, conflicts) => self.told(raw, conflicts).await,
                Input::Problems(problems) => {
                    self.facts.problems = problems;
                    self.show().await;
                }
                Input::Live(live) => {
                    self.facts.live = Some(live);
                    self.show().await;
                }
                Input::Look(look) => look(&self.facts, &self.documents),
            }
        }
    }

    /// Only what an edit can change is looked at again.
    async fn edited(&mut self, uri: &Url) {
        if self.is_config(uri) {
            self.judge_config();
            self.show().await;
        } else if self.facts.conflict_at(uri).is_some() {
            self.show().await;
        }
    }

    fn is_config(&self, uri: &Url) -> bool {
        uri.to_file_path().is_ok_and(|path| path == self.facts.root.join(CONFIG_NAME))
    }

    fn judge_config(&mut self) {
        let path = self.facts.root.join(CONFIG_NAME);
        let open = self.documents.uris().find(|uri| self.is_config(uri)).cloned();
        let text = match open.and_then(|uri| self.documents.get(&uri)) {
            Some(document) => Ok(Some(document.text.clone())),
            None => config::file::text(&path),
        };
        (self.facts.config, self.facts.config_error) = match text {
            Ok(Some(text)) => {
                let mistake = config::asked::mistake(&self.facts.root, &text);
                (Some(text), mistake)
            }
            Ok(None) => (None, None),
            Err(error) => (None, Some((1, 1, error.to_string()))),
        };
        self.point();
    }

    /// Has the cluster looked at, where the file points to another place of it.
    fn point(&self) {
        let text = self.facts.config.as_deref().filter(|_| self.facts.is_up());
        let place = text.and_then(|text| live::place(&references::all(text)));
        self.place_tx.send_if_modified(|now| {
            let is_new = *now != place;
            *now = place;
            is_new
        });
    }

    async fn told(&mut self, raw: Option<Value>, conflicts: Vec<Conflict>) {
        if self.greeted && raw == self.facts.raw && conflicts == self.facts.conflicts {
            return;
        }
        self.greeted = true;
        let before = (self.facts.status.clone(), self.facts.conflicts.len());
        self.facts.told(raw);
        if self.facts.status.target != before.0.target {
            self.facts.namespace = namespace(self.facts.status.target.as_deref());
        }
        self.facts.conflicts = conflicts;
        self.point();
        if !self.facts.is_up() {
            self.facts.problems.clear();
        }
        self.show().await;
        let told = Told {
            root: super::facts::uri_of(&self.facts.root),
            status: self.facts.raw.clone(),
            conflicts: self.facts.conflicts.clone(),
            error: None,
        };
        self.put(Output::Status(json!(told))).await;
        if before != (self.facts.status.clone(), self.facts.conflicts.len()) {
            self.put(Output::Lenses).await;
        }
    }

    /// Tells of the files whose diagnostics are others now.
    async fn show(&mut self) {
        let next = diagnostics::all(&self.facts, &self.documents);
        let gone: Vec<Url> =
            self.shown.keys().filter(|uri| !next.contains_key(*uri)).cloned().collect();
        for uri in gone {
            self.put(Output::Diagnostics(uri, Vec::new())).await;
        }
        for (uri, found) in &next {
            if self.shown.get(uri) != Some(found) {
                self.put(Output::Diagnostics(uri.clone(), found.clone())).await;
            }
        }
        self.shown = next;
    }

    async fn put(&self, output: Output) {
        let _ = self.output_tx.send(output).await; // the editor is gone
    }
}

/// The namespace that a target means without naming it: that of its context.
fn namespace(target: Option<&str>) -> Option<String> {
    let Target::Workload(workload) = Target::parse(target?, "/".as_ref()).ok()? else {
        return None;
    };
    let contexts = contexts::all().ok()?; // a small file, as the configuration is
    let is_it = |context: &&Context| match &workload.context {
        Some(name) => context.name == *name,
        None => context.current,
    };
    let context = contexts.iter().find(is_it)?;
    Some(context.namespace.clone().unwrap_or_else(|| "default".to_owned()))
}

/// The file of a `file:` address.
pub fn path_of(uri: &Url) -> Option<PathBuf> {
    uri.to_file_path().ok()
}
