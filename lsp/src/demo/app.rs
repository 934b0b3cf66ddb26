//! The demo's app: a web server of one page, read from its directory at each
//! request. Runs beside the agent as `towline demo-app`.

use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::sandbox::PAGE;
use crate::face::error::FaceError;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 64;

/// Longest request head that is read.
const HEAD_LEN_MAX: usize = 8 * 1024;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the current directory until the process is ended.
///
/// # Errors
/// When the port cannot be used.
pub async fn serve(port: u16) -> Result<(), FaceError> {
    let failed = |error: std::io::Error| FaceError::tried("the sample app cannot listen", &error);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
    println!("listening on port {port}");
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let seat = seats.clone().acquire_owned().await;
        let (stream, _) = listener.accept().await.map_err(failed)?;
        tokio::spawn(async move {
            let _seat = seat;
            // A client that went away is no news.
            let _ = tokio::time::timeout(PATIENCE, answer(stream)).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await?;
        if read == 0 || head.len() + read > HEAD_LEN_MAX {
            return Ok(());
        }
        head.extend_from_slice(&chunk[..read]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or("/");
    println!("{}", head.lines().next().unwrap_or_default());
    let (status, kind, body) = page(path);
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}

fn page(path: &str) -> (&'static str, &'static str, Vec<u8>) {
    let name = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let name = Path::new(if name.is_empty() { PAGE } else { name });
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return ("404 Not Found", "text/plain", b"no such page\n".to_vec());
    }
    let kind = match name.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        _ => "text/plain; charset=utf-8",
    };
    match std::fs::read(name) {
        Ok(body) if kind.starts_with("text/html") => ("200 OK", kind, filled(&body)),
        Ok(body) => ("200 OK", kind, body),
        Err(error) => ("404 Not Found", "text/plain", format!("{error}\n").into_bytes()),
    }
}

/// The page with what this process knows put into it.
fn filled(body: &[u8]) -> Vec<u8> {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "not set".to_owned());
    let cwd = std::env::current_dir().unwrap_or_default();
    String::from_utf8_lossy(body)
        .replace("{{HOSTNAME}}", &variable("HOSTNAME"))
        .replace("{{GREETING}}", &variable("GREETING"))
        .replace("{{pid}}", &std::process::id().to_string())
        .replace("{{cwd}}", &cwd.display().to_string())
        .into_bytes()
}
