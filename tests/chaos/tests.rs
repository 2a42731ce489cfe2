//! The tests of this program: it is its own bot and engine too, so it cannot be built with the usual runner.

use std::{process::ExitCode, time::Duration};

use deckhand_world::runner::{self, Running, Test};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    Kind, Options, Tally,
    fate::{self, Fate},
    judge, look,
    play::{self, Database, Ground, Met, Outcome},
    played, road, safety, told, toll,
};

/// What came of the walls, which are tried once in a process before anything is played.
static WALLS_TRIED: OnceCell<ExitCode> = OnceCell::const_new();

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

/// The questions, and a few runs on each ground. They take some minutes of one processor.
const OTHERS: [Test; 22] = [
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
    (
        "a_second_stop_is_answered_in_private_and_confirms_nothing_again",
        || at_once(judge::tests::a_second_stop_is_answered_in_private_and_confirms_nothing_again),
    ),
    ("what_is_not_heard_is_found", || {
        at_once(judge::tests::what_is_not_heard_is_found)
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
    (
        "one_violation_of_any_run_is_told_and_ends_with_a_failure",
        || at_once(one_violation_of_any_run_is_told_and_ends_with_a_failure),
    ),
    ("a_few_runs_on_sqlite_hold", || {
        Box::pin(short(Options::few(15, Kind::Sqlite)))
    }),
    ("a_few_runs_on_postgres_hold", || {
        Box::pin(short(Options::few(6, Kind::Postgres)))
    }),
    ("a_few_runs_of_two_bots_hold", || {
        Box::pin(short(Options {
            replicas: 2,
            ..Options::few(6, Kind::Postgres)
        }))
    }),
    ("a_few_runs_with_doors_of_their_own_hold_on_sqlite", || {
        Box::pin(short(Options {
            own_doors: true,
            ..Options::few(6, Kind::Sqlite)
        }))
    }),
    (
        "a_few_runs_with_doors_of_their_own_hold_on_postgres",
        || {
            Box::pin(short(Options {
                own_doors: true,
                ..Options::few(4, Kind::Postgres)
            }))
        },
    ),
    // Needs what the scenarios need: the container engine and the image of goose that `script/setup goose` makes. Of these two
    // one is merged after a kill of the bot, and one stopped while the road to the engine is cut.
    ("two_runs_with_containers_hold", || {
        Box::pin(short(Options {
            seed: 42,
            containers: true,
            ..Options::few(2, Kind::Sqlite)
        }))
    }),
];

fn at_once(test: fn()) -> Running {
    Box::pin(async move { test() })
}

fn one_violation_of_any_run_is_told_and_ends_with_a_failure() {
    let options = Options {
        seed: 7,
        ..Options::few(2, Kind::Sqlite)
    };
    let ground = Ground {
        database: Database::Sqlite,
        has_containers: false,
        replicas: 1,
        has_own_doors: false,
    };
    let fate = Fate::of(options.seed, &ground);
    for (violations, expected) in [(0, ExitCode::SUCCESS), (1, ExitCode::FAILURE)] {
        let mut tally = Tally::default();
        for violated in [0, violations] {
            let mut outcome = Outcome::new(fate.clone());
            outcome.violations = vec!["two pull requests".to_owned(); violated];
            outcome.met = Met {
                kills: 4,
                late: 3,
                twice: 2,
                faults: 1,
            };
            tally.add(&outcome);
        }
        tally.elapsed = Duration::from_millis(9_900);
        let (lines, object, verdict) = told(&options, &tally);
        assert_eq!(verdict, expected, "{lines:#?}");
        let last = json!({
            "runs": 2, "violations": violations, "seed": 7, "database": "sqlite", "containers": false, "replicas": 1,
            "own_doors": false, "kills": 8, "late": 6, "twice": 4, "faults": 2, "seconds": 9,
        });
        assert_eq!(object, last);
        let row = format!("{:<36}{:>6}{violations:>12}", fate.story.to_string(), 2);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert_eq!(lines[1], row);
    }
}

/// Plays some runs, behind walls that hold, and asks whether everything held and whether anything was there to hold against.
async fn short(options: Options) {
    let walls = WALLS_TRIED.get_or_init(walls).await;
    assert_eq!(*walls, ExitCode::SUCCESS, "nothing is played without walls");
    let tally = played(&options).await;
    assert_eq!((tally.runs, tally.violations), (options.runs, 0));
    let Met {
        kills,
        late,
        twice,
        faults,
    } = tally.met;
    for (count, what) in [
        (kills, "was killed"),
        (late, "came late"),
        (twice, "came twice"),
        (faults, "was a bad day"),
    ] {
        assert!(count > 0, "nothing {what}");
    }
}

/// Tries the walls of the sandboxes.
pub async fn walls() -> ExitCode {
    runner::all(&WALLS).await
}

/// Runs or lists the tests that are named. The walls come first, and nothing else where they break.
pub async fn run(arguments: &[&str]) -> ExitCode {
    runner::run(arguments, &[&WALLS, &OTHERS]).await
}
