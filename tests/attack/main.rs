//! The attack suite: what a security reviewer runs. Each row of its tables is an attack that is really made, in a real
//! container or on a real repository, and judged by its effect outside and not by what the attacker says.
//!
//! `script/attack` runs it. A new attack is one row in a file of its family: `network/`, `host/`, `repository/`, `words/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::needless_raw_string_hashes,
    reason = "the suite is a program that prints its table, and stops where its own ground breaks"
)]

mod ground;
mod host;
mod internet;
mod network;
mod repository;
mod suite;
mod words;

#[expect(
    dead_code,
    unused_imports,
    clippy::too_many_lines,
    clippy::wildcard_imports,
    reason = "the stage of the scenarios, of which the suite uses a part"
)]
#[path = "../scenarios/harness/mod.rs"]
mod harness;

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use suite::{Family, Filter, Listed, Suite};

const USAGE: &str = "\
script/attack [--family network|host|repository|words] [FRAGMENT]   makes the attacks whose id holds FRAGMENT
script/attack --list [--family …] [FRAGMENT]                        lists them";

/// What the command line asks for.
enum Asked {
    Run(Filter),
    List(Filter),
    /// The suite's own machine with a name service, with its sockets in this folder.
    Turning(PathBuf),
    /// The test runner looks for tests, and here are none.
    Tests,
    Usage(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match read(&arguments) {
        Asked::Tests => ExitCode::SUCCESS,
        Asked::Usage(reason) => {
            println!("{reason}\n{USAGE}");
            ExitCode::from(2)
        }
        Asked::List(filter) => {
            let suite = Suite::new(filter);
            for row in rows().iter().filter(|row| suite.wants(row)) {
                println!("{:<10}  {:<34}  {}", row.family, row.id, row.tries);
            }
            ExitCode::SUCCESS
        }
        Asked::Turning(folder) => match turn(folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
        Asked::Run(filter) => attack(filter),
    }
}

fn read(arguments: &[String]) -> Asked {
    let mut filter = Filter::default();
    if let [word, folder] = arguments
        && word == ground::turning::WORD
    {
        return Asked::Turning(PathBuf::from(folder));
    }
    let (mut listing, mut running) = (false, false);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            // How cargo's and nextest's runners ask a test binary for its tests.
            "--format" => return Asked::Tests,
            "run" => running = true,
            "--list" => listing = true,
            "--family" => {
                let named = words.next().map(String::as_str);
                match Family::ALL
                    .into_iter()
                    .find(|family| Some(family.word()) == named)
                {
                    Some(family) => filter.family = Some(family),
                    None => return Asked::Usage("There is no such family.".to_owned()),
                }
            }
            "-h" | "--help" => return Asked::Usage(String::new()),
            other if other.starts_with('-') => {
                return Asked::Usage(format!("{other} is no option here."));
            }
            fragment => fragment.clone_into(&mut filter.fragment),
        }
    }
    match (running, listing) {
        (true, false) => Asked::Run(filter),
        (true, true) => Asked::List(filter),
        // `cargo test` runs every target; the suite is no unit test, and its script asks for it by name.
        (false, _) => Asked::Tests,
    }
}

/// What the threat model does not say of the rows, and what it says of rows that are not there.
fn unlike_document(document: &str) -> Vec<String> {
    let named: BTreeSet<&str> = document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            ["net-", "host-", "repo-", "words-"]
                .iter()
                .any(|start| word.starts_with(start))
        })
        .collect();
    let rows = rows();
    let known: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let missing = known.difference(&named);
    let extra = named.difference(&known);
    missing
        .map(|id| format!("docs/SECURITY.md does not name {id}"))
        .chain(extra.map(|id| format!("docs/SECURITY.md names {id}, which is no row")))
        .collect()
}

/// All rows of all families.
fn rows() -> Vec<Listed> {
    let mut rows = network::listed();
    rows.extend(host::listed());
    rows.extend(repository::listed());
    rows.extend(words::listed());
    rows
}

fn turn(folder: PathBuf) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(ground::turning::serve(folder));
    // Whoever reads standard input would be waited for otherwise.
    runtime.shutdown_background();
    served
}

fn attack(filter: Filter) -> ExitCode {
    let unlike = unlike_document(include_str!("../../docs/SECURITY.md"));
    if !unlike.is_empty() {
        println!("{}", unlike.join("\n"));
        return ExitCode::FAILURE;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut suite = Suite::new(filter);
    let outcome = runtime.block_on(async {
        network::run(&mut suite).await?;
        host::run(&mut suite).await?;
        repository::run(&mut suite).await?;
        words::run(&mut suite).await
    });
    let is_good = suite.finish();
    if let Err(error) = outcome {
        eprintln!("the suite broke off: {error:#}");
        return ExitCode::FAILURE;
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
