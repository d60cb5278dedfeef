//! `dovegate`: runs the command line, and turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(dovegate::cli::run(std::env::args_os()))
}
