//! Slack: what comes in, and everything that is done there.
//!
//! In reading order: [`ids`] (names), [`signature`], [`socket`] (connections), [`inbound`] (payloads), [`outbound`]
//! (calls), [`manifest`].
//! Nothing else in the project knows what Slack is.

mod api;
mod blocks;
mod checklist;
mod files;
mod forms;
mod history;
mod home;
pub mod ids;
pub mod inbound;
mod limits;
mod links;
pub mod manifest;
mod manners;
mod marks;
pub mod methods;
pub mod oauth;
pub mod options;
pub mod outbound;
mod people;
mod reach;
pub mod scopes;
mod sessions;
mod settings;
pub mod signature;
pub mod socket;
mod tiers;

#[cfg(test)]
pub(crate) mod tests;

pub use forms::wrong;
pub use inbound::{
    Accepted, Identity, Leaving, Left, Meant, PostedRequest, Relevance, accept, challenge,
    form_to_value, home, left, meant, placed, posted, read, said_key,
};
pub use outbound::Slack;
pub use socket::SocketMode;
