//! `towline`: flags to command, exit code.

fn main() -> std::process::ExitCode {
    lsp::cli::main()
}
