//! `towline-agent`: arguments to command, exit code.

use std::process::ExitCode;

use agent::args::{self, Command};
use agent::{beside, bootstrap, chain, serve};

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Version) => {
            println!("towline-agent {}", protocol::version::VERSION);
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            print!("{}", args::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Verify(digest)) => verify(&digest),
        // its output is the channel: complaints go to standard error
        Ok(Command::Attach { agent, start }) => ended(bootstrap::attach(&agent, start)),
        Ok(Command::Hold(id)) => {
            beside::hold(&id);
            ExitCode::SUCCESS
        }
        Ok(Command::Beside(wanted)) => ended(beside::beside(&wanted)),
        Ok(Command::Clear(id)) => ended(beside::clear(&id)),
        // whoever started it reads its output until it is ready
        Ok(Command::Serve(settings)) => match run(settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("towline-agent: {error}\n\n{}", args::USAGE);
            ExitCode::from(2)
        }
    }
}

fn ended(result: Result<(), impl std::error::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("towline-agent: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn verify(digest: &str) -> ExitCode {
    let read = std::env::current_exe().and_then(std::fs::read);
    match read.map(|bytes| protocol::io::digest(&bytes)) {
        Ok(found) if found == digest => ExitCode::SUCCESS,
        Ok(found) => {
            eprintln!("it arrived damaged: its digest is {found}, not {digest}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("it cannot read itself: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: args::Settings) -> Result<(), String> {
    // two threads: a full stream needs a second for its encryption, and an idle
    // one costs nothing
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("unable to start threads: {error}"))?;
    let result = runtime.block_on(serve::run(settings)).map_err(|error| chain(&error));
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    result
}
