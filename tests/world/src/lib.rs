//! Stand-ins for the platforms that Deckhand talks to, with state, at the wire.
//!
//! - [`slack`]: Web API, events, interactivity, files, and a page that shows the threads
//! - [`github`]: REST in front of real bare repositories over smart HTTP
//! - [`linear`]: GraphQL executed against the real schema where it is present
//! - [`models`]: model providers that stream scripted turns in their own wire formats
//! - [`postgres`]: a database server of one's own
//! - [`runner`]: what a program needs that is a test, too

#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::unwrap_used,
        clippy::too_many_lines,
        reason = "a test that cannot go on has failed, and tables are long"
    )
)]

pub mod github;
pub mod linear;
pub mod models;
pub mod postgres;
pub mod runner;
pub mod slack;
