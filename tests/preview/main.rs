//! Every message of the product, said to the stand-ins of Slack and Linear by the code that says it in earnest, on one page.
//! `script/preview messages` writes it; as a test it says that no kind of message is missing and that all of them are taken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "a program that shows its page, and stops where its own ground breaks; a catalogue is long and is written where it is used"
)]

mod catalogue;
mod page;
mod stage;
mod tests;

use std::{path::PathBuf, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["run", folder] => page::write(&PathBuf::from(folder)).await,
        words => return tests::run(words).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
