//! The program: reads its settings and runs one verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    deckhand::cli::main()
}
