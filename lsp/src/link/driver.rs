//! The task that owns a link: turns what happens into the machine's events and
//! does its effects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::io::carrier::{Carrier, Datagrams, Kind};
use protocol::io::connection::Connection;
use protocol::link::{Effect, Event, Machine, State};
use protocol::wire::control::{Reply, Request};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::better::{self, Pace, Passed, Sought};
use super::control::{self, RequestTx};
use super::dial::{self, DialError, Dialled, Hub, Session};
use super::waits;
use super::{CarrierInfo, Command, LinkState};
use crate::carrier::{Bootstrap, News};

/// How long the agent may take to hear that the link is closed.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// Who is told.
pub struct Out {
    /// driver --connection--> features
    pub connection_tx: watch::Sender<Option<Connection>>,
    /// driver --state--> status
    pub state_tx: watch::Sender<LinkState>,
    /// driver --carrier--> status
    pub carrier_tx: watch::Sender<CarrierInfo>,
}

struct Driver {
    bootstrap: Arc<dyn Bootstrap>,
    hub: Arc<Hub>,
    out: Out,
    machine: Machine,
    started: Instant,
    session: Option<Session>,
    generation: u64,
    carrier: String,
    bootstrap_channel: String,
    dialling: Option<JoinHandle<Result<Dialled, DialError>>>,
    /// Waits for a reason to dial.
    news: Option<JoinHandle<News>>,
    /// Why no better one is in use.
    passed: Passed,
    /// The stream in use is a tunnel.
    by_tunnel: bool,
    /// Looks for a better one beside the stream in use.
    moving: Option<JoinHandle<Result<Carrier, Passed>>>,
    pace: Pace,
    step_tx: watch::Sender<&'static str>,
    request_tx: Option<RequestTx>,
    reply_tx: mpsc::Sender<Reply>,
    pings: u64,
    lost_at: Option<Instant>,
    ending: Option<oneshot::Sender<()>>,
    end_by: Option<Instant>,
}

/// Runs until the link is closed.
pub async fn run(
    bootstrap: Arc<dyn Bootstrap>,
    hub: Arc<Hub>,
    out: Out,
    mut command_rx: mpsc::Receiver<Command>,
) {
    let seed = u64::from_le_bytes(std::array::from_fn(|at| hub.session[at]));
    let (reply_tx, mut reply_rx) = mpsc::channel(8);
    let mut driver = Driver {
        bootstrap,
        hub,
        out,
        machine: Machine::new(seed),
        started: Instant::now(),
        session: None,
        generation: 0,
        carrier: String::new(),
        bootstrap_channel: String::new(),
        dialling: None,
        news: None,
        passed: Passed::default(),
        by_tunnel: false,
        moving: None,
        pace: Pace::new(),
        step_tx: watch::channel("starting the agent").0,
        request_tx: None,
        reply_tx,
        pings: 0,
        lost_at: None,
        ending: None,
        end_by: None,
    };
    driver.act(vec![Effect::Dial]);
    let mut step_rx = driver.step_tx.subscribe();
    loop {
        driver.publish();
        let deadline = driver.deadline();
        let up = *driver.machine.state() == State::Up;
        tokio::select! {
            biased; // a last word counts before the end that it announces
            command = command_rx.recv() => match command {
                Some(Command::KillCarrier) => driver.kill_carrier(),
                Some(Command::Shutdown { patience, done_tx }) => {
                    driver.end_by = Some(Instant::now() + patience);
                    driver.ending = Some(done_tx);
                    if !driver.ask(Request::Shutdown) { break }
                }
                None => break, // nobody holds the link any more
            },
            Some(reply) = reply_rx.recv() => match reply {
                Reply::Pong(_) => driver.heard(),
                Reply::Bye => break,
            },
            dialled = waits::dialled(&mut driver.dialling) => driver.dialled(dialled),
            proven = waits::found(&mut driver.moving) => driver.moved(proven),
            news = waits::news(&mut driver.news) => {
                tracing::info!(?news, "of the target");
                driver.await_news();
                driver.handle(match news {
                    News::Moved => Event::Moved,
                    News::Reachable => Event::Reachable,
                });
            }
            () = waits::connection_closed(driver.session.as_ref()) => {
                if driver.ending.is_some() { break }
                driver.session = None;
                driver.request_tx = None;
                driver.lost("the agent closed the connection".into());
            }
            reason = waits::carrier_ended(driver.session.as_ref(), driver.generation), if up => {
                driver.lost(reason);
            }
            Ok(()) = step_rx.changed() => {}
            () = tokio::time::sleep_until(deadline.into()) => {
                if driver.end_by.is_some_and(|by| Instant::now() >= by) { break }
                driver.tick();
            }
        }
    }
    driver.close().await;
}

impl Driver {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let machine = self.machine.deadline(self.now()).map_or(far, |at| self.started + at);
        self.end_by.map_or(machine, |by| by.min(machine))
    }

    fn handle(&mut self, event: Event) {
        let effects = self.machine.handle(self.now(), event);
        self.act(effects);
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Dial => {
                    self.ignore_news();
                    self.dialling = Some(tokio::spawn(dial::dial(
                        self.bootstrap.clone(),
                        self.hub.clone(),
                        self.session.clone(),
                        self.step_tx.clone(),
                    )));
                }
                Effect::Ping => {
                    self.pings += 1;
                    self.ask(Request::Ping(self.pings));
                }
                Effect::DropCarrier => {
                    self.stop_moving();
                    self.lost_at.get_or_insert_with(Instant::now);
                    if let Some(session) = &self.session {
                        session.endpoint.socket().cut(self.machine.reason());
                    }
                }
            }
        }
    }

    /// Queues a request; false when it cannot reach the agent. A queue that is
    /// full holds pings enough.
    fn ask(&self, request: Request) -> bool {
        self.request_tx.as_ref().is_some_and(|tx| tx.try_send(request).is_ok())
    }

    fn dialled(&mut self, result: Result<Dialled, DialError>) {
        self.dialling = None;
        self.await_news();
        let dialled = match result {
            Ok(dialled) => dialled,
            Err(DialError { reason, again }) => {
                tracing::info!(%reason, "no carrier");
                return self.handle(Event::DialFailed { reason, again });
            }
        };
        self.generation = dialled.generation;
        self.carrier = dialled.carrier;
        self.bootstrap_channel = dialled.bootstrap;
        self.by_tunnel = false;
        self.passed.udp = dialled.passed.or(self.passed.udp.take());
        let pid = dialled.session.agent.pid;
        self.out.carrier_tx.send_modify(|info| {
            info.carriers += 1;
            info.resumes += u64::from(!dialled.fresh);
            info.connections += u64::from(dialled.fresh);
            info.agent_pid = Some(pid);
        });
        if dialled.fresh {
            if let Some(old) = self.session.take() {
                old.connection.close("the agent is a new one");
            }
            let connection = dialled.session.connection.clone();
            self.request_tx = Some(control::start(connection.clone(), self.reply_tx.clone()));
            if self.ending.is_some() {
                self.ask(Request::Shutdown); // the one before did not live to hear it
            }
            self.out.connection_tx.send_replace(Some(connection));
        }
        self.session = Some(dialled.session);
        self.handle(Event::Dialled);
        self.seek();
    }

    /// Looks for what is better than the stream in use.
    fn seek(&mut self) {
        let Some(session) = &self.session else { return };
        if self.carrier == better::UDP {
            return;
        }
        let udp = self.bootstrap.udp().filter(|_| session.datagrams == Datagrams::ForUdp);
        let tunnel = self.bootstrap.has_tunnel() && !self.by_tunnel;
        let sought = Sought {
            udp: udp.zip(session.agent.udp.clone()),
            tunnel: session.agent.tcp.clone().filter(|_| tunnel),
        };
        if sought.udp.is_none() && sought.tunnel.is_none() {
            return;
        }
        let (pause, bootstrap) = (self.pace.pause(Instant::now()), self.bootstrap.clone());
        self.moving = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            sought.find(&*bootstrap).await
        }));
    }

    /// Goes over to what was found, or looks again later.
    fn moved(&mut self, found: Result<Carrier, Passed>) {
        self.moving = None;
        let Some(session) = &self.session else { return };
        if *self.machine.state() != State::Up {
            return; // the next stream comes with other offers
        }
        match found {
            Ok(carrier) => {
                let (name, by_udp) = (carrier.name.clone(), matches!(carrier.kind, Kind::Udp(_)));
                let socket = session.endpoint.socket();
                let Some(generation) = socket.succeed(self.generation, carrier) else { return };
                tracing::info!(name, "the link goes by another carrier now");
                self.generation = generation;
                self.carrier = name;
                self.by_tunnel = !by_udp;
                self.pace.taken(Instant::now());
                self.out.carrier_tx.send_modify(|info| {
                    info.carriers += 1;
                    info.resumes += 1;
                });
                self.pings += 1;
                self.ask(Request::Ping(self.pings)); // lets the agent speak on it at once
            }
            Err(Passed { udp, tunnel }) => {
                tracing::debug!(?udp, ?tunnel, "no better carrier");
                self.passed = Passed { udp, tunnel }.and(std::mem::take(&mut self.passed));
            }
        }
        self.seek();
    }

    fn lost(&mut self, reason: String) {
        self.stop_moving();
        tracing::info!(%reason, "the carrier is gone");
        self.lost_at.get_or_insert_with(Instant::now);
        self.handle(Event::Lost { reason });
    }

    fn stop_moving(&mut self) {
        if let Some(moving) = self.moving.take() {
            moving.abort();
        }
    }

    fn await_news(&mut self) {
        let bootstrap = self.bootstrap.clone();
        self.news = Some(tokio::spawn(async move { bootstrap.news().await }));
    }

    fn ignore_news(&mut self) {
        if let Some(news) = self.news.take() {
            news.abort();
        }
    }

    fn kill_carrier(&mut self) {
        if *self.machine.state() == State::Up
            && let Some(session) = &self.session
        {
            session.endpoint.socket().cut("it was cut by request");
        }
    }

    /// Tells the machine of the last sign of life.
    fn heard(&mut self) {
        let heard = self.session.as_ref().and_then(|session| session.endpoint.socket().heard());
        let Some(heard) = heard else { return };
        if let Some(lost_at) = self.lost_at
            && heard > lost_at
            && *self.machine.state() == State::Up
        {
            self.lost_at = None;
            let took = heard.duration_since(lost_at).as_micros();
            self.out.carrier_tx.send_modify(|info| {
                info.last_resume_us = u64::try_from(took).ok();
            });
        }
        self.handle(Event::Heard { at: heard.duration_since(self.started) });
    }

    fn tick(&mut self) {
        self.heard();
        self.handle(Event::Tick);
    }

    fn publish(&self) {
        let state = match self.machine.state() {
            State::Up => {
                let rtt = self.session.as_ref().and_then(|session| session.connection.rtt());
                let rtt_us = rtt.map_or(0, |rtt| u64::try_from(rtt.as_micros()).unwrap_or(0));
                let udp = self.carrier == better::UDP;
                let passed = Passed {
                    udp: self.passed.udp.clone().filter(|_| !udp),
                    tunnel: self.passed.tunnel.clone().filter(|_| !udp && !self.by_tunnel),
                };
                let (carrier, bootstrap) = (self.carrier.clone(), self.bootstrap_channel.clone());
                LinkState::Up { carrier, bootstrap, rtt_us, passed }
            }
            State::Down { reason } => LinkState::Down { reason: reason.clone() },
            State::Dialling | State::Waiting { .. } if self.generation == 0 => {
                LinkState::Connecting { step: (*self.step_tx.borrow()).to_owned() }
            }
            State::Dialling | State::Waiting { .. } => LinkState::Reconnecting {
                reason: self.machine.reason().to_owned(),
                attempt: self.machine.attempts(),
            },
        };
        let name = matches!(state, LinkState::Up { .. }).then(|| self.carrier.clone());
        self.out.carrier_tx.send_if_modified(|info| {
            let changed = info.name != name;
            info.name = name;
            changed
        });
        self.out.state_tx.send_if_modified(|old| {
            let changed = *old != state;
            *old = state;
            changed
        });
    }

    async fn close(mut self) {
        if let Some(dialling) = self.dialling.take() {
            dialling.abort();
        }
        self.stop_moving();
        self.ignore_news();
        self.handle(Event::Stop);
        if let Some(session) = self.session.take() {
            let closing = session.endpoint.close("the link is closed");
            let _ = tokio::time::timeout(CLOSE_PATIENCE, closing).await;
            session.endpoint.socket().cut("the link is closed");
        }
        self.publish();
        if let Some(done_tx) = self.ending.take() {
            let _ = done_tx.send(()); // who asked may be gone
        }
    }
}
