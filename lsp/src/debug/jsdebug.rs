//! js-debug, the adapter for Node: it wants the sources beside it, so it runs here and
//! reaches the inspector through the link.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use protocol::io::connection::Connection;
use protocol::io::pump::{self, Counters, CuttingTcp};
use protocol::wire::port::{Dial, Protocol};
use protocol::wire::stream::{Open, Priority};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// What a user has to do where it is missing.
pub const MISSING: &str = "js-debug on this machine: unpack its js-debug-dap release and name \
    dapDebugServer.js in TOWLINE_JS_DEBUG, or install js-debug-adapter with Mason";

/// Runs the script that is its first argument, for as long as its input is open: a hub that
/// is killed cannot end it.
const UNTIL_ALONE: &str =
    "process.stdin.on('end', () => process.exit()).resume(); require(process.argv[1]);";

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Its server's script.
pub fn find() -> Option<PathBuf> {
    const SCRIPT: &str = "js-debug/src/dapDebugServer.js";
    if let Some(named) = std::env::var_os("TOWLINE_JS_DEBUG").map(PathBuf::from) {
        return Some(named).filter(|path| path.is_file());
    }
    let mason = dirs::data_dir()?.join("nvim/mason/packages/js-debug-adapter");
    let places = [mason.join(SCRIPT), dirs::data_dir()?.join("towline").join(SCRIPT)];
    places.into_iter().find(|path| path.is_file())
}

/// A running js-debug and its way to the inspector.
pub struct JsDebug {
    child: Child,
    address: SocketAddr,
    _tunnel: AbortOnDropHandle<()>,
    port: u16,
}

/// Starts it for the inspector behind `port` of the agent's.
///
/// # Errors
/// A sentence.
pub async fn start(connection: &Connection, port: u16) -> Result<JsDebug, String> {
    let script = find().ok_or_else(|| format!("debugging Node needs {MISSING}"))?;
    let failed = |what: &str, error: &std::io::Error| format!("unable to {what}: {error}");
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(local).await.map_err(|e| failed("open a port", &e))?;
    let tunnelled = listener.local_addr().map_err(|e| failed("open a port", &e))?.port();
    let tunnel = AbortOnDropHandle::new(tokio::spawn(tunnel(listener, connection.clone(), port)));
    let mut command = Command::new("node");
    command.args(["-e", UNTIL_ALONE, "--"]).arg(&script).args(["0", "127.0.0.1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| failed("start js-debug with `node`", &e))?;
    let address = match child.stdout.take() {
        Some(out) => tokio::time::timeout(PATIENCE, announced(BufReader::new(out))).await,
        None => Ok(None),
    };
    let Ok(Some(address)) = address else {
        return Err(format!("js-debug ({}) did not start", script.display()));
    };
    Ok(JsDebug { child, address, _tunnel: tunnel, port: tunnelled })
}

/// `Debug server listening at 127.0.0.1:8123`.
async fn announced(mut out: BufReader<tokio::process::ChildStdout>) -> Option<SocketAddr> {
    let mut line = String::new();
    while matches!(out.read_line(&mut line).await, Ok(1..)) {
        let address = line.trim().rsplit(' ').next().and_then(|word| word.parse().ok());
        if address.is_some() {
            // It must be able to go on writing.
            tokio::spawn(async move { tokio::io::copy(&mut out, &mut tokio::io::sink()).await });
            return address;
        }
        line.clear();
    }
    None
}

async fn tunnel(listener: TcpListener, connection: Connection, port: u16) {
    let mut joined = JoinSet::new(); // dropped with this task
    loop {
        let Ok((tcp, _)) = listener.accept().await else { return };
        let connection = connection.clone();
        joined.spawn(async move {
            let host = "127.0.0.1".to_owned();
            let dial = Dial { host, port, protocol: Protocol::Tcp, name: None };
            if let Ok(channel) = connection.open(&Open::Dial(dial), Priority::Terminal).await {
                let rx = async { Ok(channel.rx) };
                let tcp = CuttingTcp::new(tcp);
                let _ = pump::tcp(tcp, channel.tx, rx, &Counters::default()).await; // cut is as good
            }
        });
        while joined.try_join_next().is_some() {}
    }
}

impl JsDebug {
    /// Another connection to it.
    ///
    /// # Errors
    /// The socket's.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// What its `attach` is told.
    pub fn arguments(&self) -> Value {
        json!({
            "type": "pwa-node", "request": "attach", "name": "towline",
            "address": "127.0.0.1", "port": self.port,
            "autoAttachChildProcesses": false, "attachExistingChildren": false,
            // The process's paths are mapped on the way; these keep it from looking for them.
            "continueOnAttach": true, "restart": false, "timeout": 20000,
        })
    }

    /// Ends it. Node goes on by itself.
    pub async fn end(mut self) {
        let _ = self.child.kill().await; // it may have ended
    }
}
