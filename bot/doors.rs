//! The program `deckhand-doors`: takes in what platforms send, beside the bot.

use std::process::ExitCode;

fn main() -> ExitCode {
    deckhand::cli::doors::main()
}
