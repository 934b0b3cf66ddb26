//! The links to the other pods of a workload, where its syncs go, too. Knows nothing of
//! syncs.

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::event::Event;
use super::reach;
use super::run::Message;
use crate::cluster::others;
use crate::cluster::pick::Place;
use crate::link::{Link, LinkState};
use crate::runtime::Workspace;
use crate::target::Target;

/// Those that are there now.
#[derive(Default)]
pub struct Others {
    target: Option<Target>,
    watch: Option<AbortOnDropHandle<()>>,
    links: Vec<Other>,
}

struct Other {
    /// The pod's identity: another one may bear the same name.
    uid: String,
    pod: String,
    link: Link,
    /// Tells when the link is given up.
    _watch: AbortOnDropHandle<()>,
}

impl Others {
    /// Has `told` send the other pods of `target`, whenever they change.
    pub fn expect(
        &mut self,
        target: &Target,
        told: Option<others::Others>,
        message_tx: &mpsc::Sender<Message>,
    ) {
        let message_tx = message_tx.clone();
        self.target = Some(target.clone());
        self.watch = told.map(|mut told| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                while message_tx.send(Message::Others(told.next().await)).await.is_ok() {}
            }))
        });
    }

    /// Each with its pod.
    pub fn links(&self) -> Vec<(String, Link)> {
        self.links.iter().map(|other| (other.pod.clone(), other.link.clone())).collect()
    }

    /// Lets go of those that are not among `places`, and names their pods.
    pub fn part(&mut self, places: &[Place]) -> Vec<String> {
        let is_there = |other: &Other| places.iter().any(|place| place.uid == other.uid);
        let (stay, gone): (Vec<_>, Vec<_>) = self.links.drain(..).partition(is_there);
        self.links = stay;
        gone.into_iter().map(|other| other.pod).collect()
    }

    /// Reaches one that is new.
    pub fn join(
        &mut self,
        place: &Place,
        workspace: &Workspace,
        message_tx: &mpsc::Sender<Message>,
    ) -> Option<Link> {
        if self.links.iter().any(|other| other.uid == place.uid) {
            return None;
        }
        let target = reach::beside(self.target.as_ref()?, place);
        let link = match reach::start(&target, workspace) {
            Ok(reached) => reached.link,
            Err(reason) => {
                tracing::error!(pod = place.pod, reason, "unable to reach another pod");
                return None;
            }
        };
        let watch = until_given_up(place.pod.clone(), link.clone(), message_tx.clone());
        self.links.push(Other {
            uid: place.uid.clone(),
            pod: place.pod.clone(),
            link: link.clone(),
            _watch: AbortOnDropHandle::new(tokio::spawn(watch)),
        });
        Some(link)
    }

    /// Lets go of all of them.
    pub fn end(&mut self) -> Vec<(String, Link)> {
        self.watch = None;
        self.links.drain(..).map(|other| (other.pod, other.link)).collect()
    }
}

async fn until_given_up(pod: String, link: Link, message_tx: mpsc::Sender<Message>) {
    let mut state_rx = link.state();
    drop(link); // it ends with its last holder
    let reason = match state_rx.wait_for(|state| matches!(state, LinkState::Down { .. })).await {
        Ok(state) => match &*state {
            LinkState::Down { reason } => format!("pod {pod}: {reason}"),
            _ => return,
        },
        Err(_) => return,
    };
    let _ = message_tx.send(Message::Event(Event::OtherFailed { pod, reason })).await; // it ends
}
