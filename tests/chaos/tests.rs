//! The tests of this program: it is its own bot and engine too, so it cannot be built with the usual runner.

use std::process::ExitCode;

use deckhand_world::runner::{self, Running, Test};

use crate::{Kind, Options, fate, judge, look, play, played, road, safety, toll};

/// What has to hold before anything runs in a sandbox.
const WALLS: [Test; 5] = [
    ("a_sandbox_does_not_write_to_the_host", || {
        Box::pin(safety::a_sandbox_does_not_write_to_the_host())
    }),
    ("a_sandbox_does_not_see_the_host", || {
        Box::pin(safety::a_sandbox_does_not_see_the_host())
    }),
    ("no_command_runs_where_no_sandbox_is", || {
        Box::pin(safety::no_command_runs_where_no_sandbox_is())
    }),
    ("the_first_program_refuses_the_host", || {
        Box::pin(safety::the_first_program_refuses_the_host())
    }),
    ("nobody_else_is_killed", || {
        at_once(safety::nobody_else_is_killed)
    }),
];

/// The questions, and a few runs on each database. They take about a minute of one processor.
const OTHERS: [Test; 18] = [
    ("what_is_right_is_left_alone", || {
        at_once(judge::tests::what_is_right_is_left_alone)
    }),
    ("a_wrong_end_is_found", || {
        at_once(judge::tests::a_wrong_end_is_found)
    }),
    ("missing_and_second_pull_requests_are_found", || {
        at_once(judge::tests::missing_and_second_pull_requests_are_found)
    }),
    ("doubles_are_found_also_with_other_words", || {
        at_once(judge::tests::doubles_are_found_also_with_other_words)
    }),
    ("everything_after_a_cancel_is_found", || {
        at_once(judge::tests::everything_after_a_cancel_is_found)
    }),
    ("what_is_given_up_or_left_is_found", || {
        at_once(judge::tests::what_is_given_up_or_left_is_found)
    }),
    ("every_secret_is_found_as_text_and_as_bytes", || {
        at_once(judge::tests::every_secret_is_found_as_text_and_as_bytes)
    }),
    ("only_a_killed_agent_or_sandbox_explains_a_failure", || {
        at_once(toll::tests::only_a_killed_agent_or_sandbox_explains_a_failure)
    }),
    ("a_bad_day_of_a_platform_explains_no_failure", || {
        at_once(toll::tests::a_bad_day_of_a_platform_explains_no_failure)
    }),
    (
        "what_a_cut_connection_did_not_answer_is_asked_again",
        || Box::pin(play::tests::what_a_cut_connection_did_not_answer_is_asked_again()),
    ),
    ("what_comes_again_is_outstanding_until_it_came", || {
        Box::pin(road::tests::what_comes_again_is_outstanding_until_it_came())
    }),
    ("sandboxes_are_looked_into_at_each_change", || {
        at_once(look::tests::sandboxes_are_looked_into_at_each_change)
    }),
    ("a_seed_is_the_same_story_with_every_flag", || {
        at_once(fate::tests::a_seed_is_the_same_story_with_every_flag)
    }),
    ("a_few_runs_on_sqlite_hold", || {
        Box::pin(short(12, Kind::Sqlite, 1, false))
    }),
    ("a_few_runs_on_postgres_hold", || {
        Box::pin(short(6, Kind::Postgres, 1, false))
    }),
    ("a_few_runs_of_two_bots_hold", || {
        Box::pin(short(6, Kind::Postgres, 2, false))
    }),
    ("a_few_runs_with_doors_of_their_own_hold_on_sqlite", || {
        Box::pin(short(6, Kind::Sqlite, 1, true))
    }),
    (
        "a_few_runs_with_doors_of_their_own_hold_on_postgres",
        || Box::pin(short(4, Kind::Postgres, 1, true)),
    ),
];

fn at_once(test: fn()) -> Running {
    Box::pin(async move { test() })
}

async fn short(runs: u64, database: Kind, replicas: u16, own_doors: bool) {
    let options = Options {
        runs,
        seed: 1,
        database,
        containers: false,
        replicas,
        own_doors,
        parallel: 3,
        times: 1,
    };
    assert_eq!(played(&options).await, ExitCode::SUCCESS);
}

/// Tries the walls of the sandboxes.
pub async fn walls() -> ExitCode {
    runner::all(&WALLS).await
}

/// Runs or lists the tests that are named. The walls come first, and nothing else where they break.
pub async fn run(arguments: &[&str]) -> ExitCode {
    runner::run(arguments, &[&WALLS, &OTHERS]).await
}
