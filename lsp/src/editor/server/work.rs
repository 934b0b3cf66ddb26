//! Does commands: at once where that goes, else under a progress that the user sees and
//! can cancel.

use std::sync::atomic::{AtomicI32, Ordering};

use lsp_types::notification::Progress;
use lsp_types::request::WorkDoneProgressCreate;
use lsp_types::{
    NumberOrString, ProgressParams, ProgressParamsValue, WorkDoneProgress, WorkDoneProgressBegin,
    WorkDoneProgressCreateParams, WorkDoneProgressEnd, WorkDoneProgressReport,
};
use serde_json::Value;
use tokio::sync::watch;

use super::Face;
use crate::editor::commands::{self, NAMES};
use crate::editor::jobs::{SILENT, Words};
use crate::face::error::FaceError;

type Answer = Result<Value, FaceError>;

/// Numbers the progresses of this server.
static NEXT: AtomicI32 = AtomicI32::new(1);

impl Face {
    /// Does a command, and tells of it when it takes long.
    pub(super) async fn command(&self, name: &str, argument: Value) -> Answer {
        let editor = self.editor().map_err(|error| FaceError::new(error.message))?;
        if let Some(answer) = self.asked(editor, name, &argument).await? {
            return Ok(answer);
        }
        let argument = self.completed(editor, name, argument).await?;
        let words_tx = watch::Sender::default();
        let words_rx = words_tx.subscribe();
        let mut words = Words(words_tx);
        let work = commands::run(&editor.session, name, argument, &mut words);
        let mut work = std::pin::pin!(work);
        let done = tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = tokio::time::sleep(SILENT) => None,
        };
        let answer = match done {
            Some(answer) => answer,
            None if editor.shows_progress => self.told(name, work, words_rx).await,
            None => work.await,
        }?;
        if !editor.has_views {
            self.show_answer(name, &answer).await;
        }
        Ok(answer)
    }

    /// Goes on with work under a progress that can be cancelled.
    async fn told(
        &self,
        name: &str,
        work: impl Future<Output = Answer>,
        mut words_rx: watch::Receiver<String>,
    ) -> Answer {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let token = NumberOrString::String(format!("towline-{number}"));
        let mut work = std::pin::pin!(work);
        let create = WorkDoneProgressCreateParams { token: token.clone() };
        let created = self.client.send_request::<WorkDoneProgressCreate>(create);
        // An editor that never answers must not hold the work up.
        tokio::select! {
            biased;
            answer = &mut work => return answer,
            created = created => if created.is_err() {
                return work.await;
            },
        }
        let cancelled = self.jobs.begin(token.clone());
        let put = |value: WorkDoneProgress| {
            let value = ProgressParamsValue::WorkDone(value);
            self.client
                .send_notification::<Progress>(ProgressParams { token: token.clone(), value })
        };
        let title = NAMES.iter().find(|(known, _)| *known == name).map_or(name, |(_, what)| what);
        put(WorkDoneProgress::Begin(WorkDoneProgressBegin {
            title: title.to_owned(),
            cancellable: Some(true),
            message: None,
            percentage: None,
        }))
        .await;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut work => break answer,
                () = cancelled.cancelled() => {
                    break Err(FaceError::new(format!("{name} was cancelled")));
                }
                Ok(()) = words_rx.changed() => {
                    let message = Some(words_rx.borrow_and_update().clone());
                    let report = WorkDoneProgressReport { message, ..Default::default() };
                    put(WorkDoneProgress::Report(report)).await;
                }
            }
        };
        self.jobs.end(&token);
        let message = answer.as_ref().err().map(ToString::to_string);
        put(WorkDoneProgress::End(WorkDoneProgressEnd { message })).await;
        answer
    }
}
