//! The language server protocol: converts, enqueues, returns. The only file that names
//! the library which speaks it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lsp_types::notification::Notification;
use lsp_types::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::{Client, LanguageServer, LspService, Server, async_trait};

use self::exit::{Ended, Exiting};
use super::commands::NAMES;
use super::documents::{Encoding, column, column_offset};
use super::jobs::Jobs;
use super::session::{Input, Output, Session, path_of};
use super::{actions, hosts, lenses, words};
use crate::config::schema;
use crate::face::error::FaceError;
use crate::runtime::{Dirs, Workspace};
use crate::status::FailureCode;

mod ask;
mod exit;
mod frames;
mod navigate;
mod target;
mod work;

/// Requests that are served side by side; those that wait for a link wait long.
const CONCURRENT: usize = 64;

/// Bytes between the editor's stream and the library.
const PIPE_LEN: usize = 64 * 1024;

/// Outputs on their way to the editor.
const OUTPUTS_MAX: usize = 256;

/// The hub's one status, whenever it is another one.
enum StatusChanged {}

impl Notification for StatusChanged {
    type Params = Value;
    const METHOD: &'static str = "towline/status";
}

/// Serves one editor on standard input and output until it ends; the exit code.
///
/// # Errors
/// When there is no place for this user's sockets.
pub async fn serve(chosen: Option<PathBuf>) -> std::result::Result<u8, FaceError> {
    let dirs = Dirs::of_user()?;
    let (service, socket) = LspService::build(|client| Face {
        client,
        dirs,
        chosen,
        jobs: Arc::default(),
        editor: OnceLock::new(),
    })
    .custom_method("window/workDoneProgress/cancel", Face::cancel)
    .custom_method(frames::MALFORMED, Face::malformed)
    .finish();
    let (service, mut ended_rx) = Exiting::around(service);
    let (input, passed) = tokio::io::duplex(PIPE_LEN);
    let stdin = tokio::io::BufReader::new(tokio::io::stdin());
    tokio::spawn(async move {
        if let Err(error) = frames::pass(stdin, passed).await {
            tracing::debug!(%error, "the editor's stream failed");
        }
    });
    let serving = Server::new(input, tokio::io::stdout(), socket)
        .concurrency_level(CONCURRENT)
        .serve(service);
    // The library reads on after `exit`, until the editor closes the pipe.
    let mut exited_rx = ended_rx.clone();
    tokio::select! {
        biased;
        _ = exited_rx.wait_for(|ended| *ended != Ended::No) => {}
        () = serving => {}
    }
    let ended = *ended_rx.borrow_and_update();
    Ok(u8::from(ended == Ended::Abrupt))
}

/// One editor.
struct Face {
    client: Client,
    dirs: Dirs,
    /// The workspace root, if the command line names it.
    chosen: Option<PathBuf>,
    jobs: Arc<Jobs>,
    editor: OnceLock<Editor>,
}

/// What is known since `initialize`.
struct Editor {
    session: Session,
    /// Whether it shows progress.
    shows_progress: bool,
    /// Whether it asks again for lenses when it is told to.
    refreshes_lenses: bool,
    /// Whether it has a view of its own for what commands answer.
    has_views: bool,
    /// Which it is, where it said so.
    face: String,
    /// session --outputs--> client, once it is initialized
    output_rx: std::sync::Mutex<Option<mpsc::Receiver<Output>>>,
}

impl Editor {
    /// How this editor names paths of the target, where it opens them.
    fn remote_uri(&self, root: &Path) -> Option<navigate::Remote> {
        let before = match self.face.as_str() {
            "vscode" => "towline:".to_owned(),
            // Two workspaces in one editor are told apart.
            "nvim" => format!("towline://{}", root.file_name()?.to_str()?),
            _ => return None,
        };
        Some(Arc::new(move |path| format!("{before}{path}").parse().ok()))
    }
}

impl Face {
    /// The editor; an error before `initialize`.
    fn editor(&self) -> Result<&Editor> {
        self.editor.get().ok_or_else(|| Error {
            code: ErrorCode::ServerError(-32002),
            message: "initialize comes first".into(),
            data: None,
        })
    }

    async fn say(&self, input: Input) {
        if let Some(editor) = self.editor.get() {
            editor.session.say(input).await;
        }
    }

    async fn malformed(&self) -> Result<()> {
        Err(Error::parse_error())
    }

    async fn cancel(&self, params: WorkDoneProgressCancelParams) {
        self.jobs.cancel(&params.token);
    }

    fn workspace(&self, params: &InitializeParams) -> Result<Workspace> {
        let folder = params.workspace_folders.iter().flatten().next();
        let folder = folder.map(|folder| &folder.uri);
        let root = folder.or(params.root_uri.as_ref()).and_then(path_of);
        let cwd = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let start = root.unwrap_or_else(cwd);
        let is_root = |workspace: &Workspace| {
            workspace.has_config() || workspace.settings().exists() || workspace.socket().exists()
        };
        Workspace::find(&self.dirs, self.chosen.as_deref(), &start, is_root)
            .map_err(|error| failed(&error.into()))
    }

    /// A failure with what to do in this editor, where the command line's words would not
    /// help.
    fn advised(&self, error: FaceError) -> FaceError {
        if error.0.code != FailureCode::NotUp {
            return error;
        }
        error.help(match self.editor.get().map(|editor| editor.face.as_str()) {
            Some("vscode") => "connect first: `Towline: Connect`",
            Some("nvim") => "connect first: `:Towline connect`",
            _ => "bring it up first: the command `towline.up`, or `towline up` in a terminal",
        })
    }

    /// Tells the user; for editors without a view of their own.
    async fn show(&self, text: String) {
        self.client.show_message(MessageType::INFO, text).await;
    }
}

/// A failure as the protocol has it.
fn failed(error: &FaceError) -> Error {
    let failure = &error.0;
    Error {
        code: ErrorCode::ServerError(-32803), // RequestFailed
        message: failure.message.clone().into(),
        data: Some(json!({ "code": failure.code, "help": failure.help })),
    }
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    let any = FileOperationFilter {
        scheme: Some("file".to_owned()),
        pattern: FileOperationPattern { glob: "**".to_owned(), ..Default::default() },
    };
    let files = Some(FileOperationRegistrationOptions { filters: vec![any] });
    ServerCapabilities {
        position_encoding: Some(match encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            // Some editors hear of saves only by the long form.
            save: Some(SaveOptions { include_text: Some(false) }.into()),
            ..Default::default()
        })),
        code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([":", " ", "-", "/"].map(str::to_owned).to_vec()),
            ..Default::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: NAMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
            ..Default::default()
        }),
        workspace: Some(WorkspaceServerCapabilities {
            file_operations: Some(WorkspaceFileOperationsServerCapabilities {
                did_create: files.clone(),
                did_rename: files.clone(),
                did_delete: files,
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[async_trait]
impl LanguageServer for Face {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let workspace = self.workspace(&params)?;
        let general = params.capabilities.general.as_ref();
        let encodings = general.and_then(|general| general.position_encodings.as_ref());
        let takes_utf8 = encodings.is_some_and(|all| all.contains(&PositionEncodingKind::UTF8));
        let encoding = if takes_utf8 { Encoding::Utf8 } else { Encoding::Utf16 };
        let window = params.capabilities.window.as_ref();
        let of_workspace = params.capabilities.workspace.as_ref();
        let options = params.initialization_options.unwrap_or_default();
        let (output_tx, output_rx) = mpsc::channel(OUTPUTS_MAX);
        let editor = Editor {
            session: Session::start(workspace, encoding, output_tx),
            shows_progress: window.and_then(|window| window.work_done_progress).unwrap_or(false),
            refreshes_lenses: of_workspace
                .and_then(|workspace| workspace.code_lens.as_ref()?.refresh_support)
                .unwrap_or(false),
            has_views: matches!(options["face"].as_str(), Some("vscode" | "nvim")),
            face: options["face"].as_str().unwrap_or_default().to_owned(),
            output_rx: std::sync::Mutex::new(Some(output_rx)),
        };
        if self.editor.set(editor).is_err() {
            return Err(Error::invalid_request()); // the library lets only one through
        }
        Ok(InitializeResult {
            capabilities: capabilities(encoding),
            server_info: Some(ServerInfo {
                name: "towline".to_owned(),
                version: Some(protocol::version::VERSION.to_owned()),
            }),
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        let Ok(editor) = self.editor() else { return };
        let Some(output_rx) = editor.output_rx.lock().ok().and_then(|mut rx| rx.take()) else {
            return;
        };
        let refreshes = editor.refreshes_lenses;
        tokio::spawn(show(self.client.clone(), output_rx, refreshes));
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(()) // the hub goes on: nothing here holds anything
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem { uri, version, text, .. } = params.text_document;
        self.say(Input::Open(uri, version, text)).await;
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        self.say(Input::Change(uri, version, params.content_changes)).await;
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.say(Input::Close(params.text_document.uri)).await;
    }

    async fn did_save(&self, _: DidSaveTextDocumentParams) {
        self.touched().await;
    }

    async fn did_create_files(&self, _: CreateFilesParams) {
        self.touched().await;
    }

    async fn did_rename_files(&self, _: RenameFilesParams) {
        self.touched().await;
    }

    async fn did_delete_files(&self, _: DeleteFilesParams) {
        self.touched().await;
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let CodeActionParams { text_document, context, range, .. } = params;
        let session = &self.editor()?.session;
        let found = session.look(move |facts, documents| {
            let uri = &text_document.uri;
            let mut found = actions::at(uri, &context, facts);
            found.extend(actions::ports(uri, range, &context, facts, documents));
            found
        });
        Ok(found.await)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let uri = params.text_document.uri;
        let session = &self.editor()?.session;
        let lenses = session.look(move |facts, documents| {
            let text = documents.get(&uri).map(|document| document.text.as_str());
            text.map(|text| lenses::of(&uri, text, facts))
        });
        Ok(lenses.await.flatten())
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let TextDocumentPositionParams { text_document, position } = params.text_document_position;
        let Some(place) = self.manifest_place(text_document.uri, position).await? else {
            return Ok(None);
        };
        let candidates = self.candidates(&place).await?;
        let mut items = place.completions(&schema::config(), &candidates);
        // Editors know other words than targets and paths are.
        let token = place.token();
        let typed = column(token, token.len(), self.editor()?.session.encoding);
        let start = Position { character: position.character.saturating_sub(typed), ..position };
        for item in items.iter_mut().take(candidates.len()) {
            let range = Range { start, end: position };
            let edit = TextEdit { range, new_text: item.label.clone() };
            item.text_edit = Some(CompletionTextEdit::Edit(edit));
        }
        Ok(Some(CompletionResponse::Array(items)))
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        let uri = text_document.uri;
        // A key is told of wherever the cursor is on its line.
        let line_end = Position { character: u32::MAX, ..position };
        if let Some(place) = self.manifest_place(uri.clone(), line_end).await? {
            return Ok(place.explained(&schema::config()).map(hover));
        }
        let session = &self.editor()?.session;
        let encoding = session.encoding;
        let words = session.look(move |facts, documents| {
            let text = &documents.get(&uri).filter(|_| facts.is_up())?.text;
            let line = text.lines().nth(position.line as usize)?;
            let byte = column_offset(line, position.character, encoding);
            Some((hosts::at(line, byte, facts), words::variable(text, position, encoding)))
        });
        Ok(match words.await.flatten() {
            Some((Some(host), _)) => self.host(host).await?.map(hover),
            Some((None, Some(name))) => self.variable(&name).await.map(hover),
            _ => None,
        })
    }

    async fn goto_definition(
        &self,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        let TextDocumentPositionParams { text_document, position } =
            params.text_document_position_params;
        self.definition(text_document.uri, position).await
    }

    async fn document_link(&self, params: DocumentLinkParams) -> Result<Option<Vec<DocumentLink>>> {
        self.links(params.text_document.uri).await
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        let argument = params.arguments.into_iter().next().unwrap_or_default();
        let answer = self.command(&params.command, argument).await;
        answer.map(Some).map_err(|error| failed(&self.advised(error)))
    }
}

fn hover(text: String) -> Hover {
    let value = MarkupContent { kind: MarkupKind::Markdown, value: text };
    Hover { contents: HoverContents::Markup(value), range: None }
}

/// Shows what the session has for the editor, in order.
async fn show(client: Client, mut output_rx: mpsc::Receiver<Output>, refreshes_lenses: bool) {
    while let Some(output) = output_rx.recv().await {
        match output {
            Output::Diagnostics(uri, found) => client.publish_diagnostics(uri, found, None).await,
            Output::Status(status) => client.send_notification::<StatusChanged>(status).await,
            Output::Lenses if refreshes_lenses => {
                let client = client.clone();
                // Its answer says nothing, and may take its time.
                tokio::spawn(async move { drop(client.code_lens_refresh().await) });
            }
            Output::Lenses => {}
        }
    }
}
