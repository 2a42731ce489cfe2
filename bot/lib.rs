//! Deckhand, an agent teammate for Slack and Linear: from a conversation to a proved pull request.
//!
//! The modules stand on floors and use only lower ones. From the ground up:
//!
//! | floor | modules |
//! | --- | --- |
//! | 0 | [`domain`]: what it is about, pure |
//! | 1 | [`surface`], [`words`]: everything that is said, in words; [`clock`], [`wake`], [`heartbeat`]; [`config`]; [`redact`]: texts without secrets |
//! | 2 | [`store`], [`slack`], [`linear`], [`github`], [`links`]: the database and the platforms; none knows another |
//! | 3 | [`engine`]: deliveries become transitions, effects become acts |
//! | 4 | [`web`]: doors and pages; it stores deliveries and reads, and calls no engine |
//! | 5 | [`app`], [`cli`]: everything put together |

#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::unwrap_used,
        clippy::too_many_lines,
        reason = "a test that cannot go on has failed, and tables are long"
    )
)]

pub mod domain;

pub mod clock;
pub mod config;
pub mod heartbeat;
pub mod redact;
pub mod surface;
pub mod wake;
pub mod words;

pub mod github;
pub mod linear;
pub mod links;
pub mod slack;
pub mod store;

pub mod engine;

pub mod web;

pub mod app;
pub mod cli;
