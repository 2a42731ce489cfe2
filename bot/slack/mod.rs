//! Slack: what comes in, and everything that is done there.
//!
//! In reading order: [`ids`] (names), [`signature`], [`socket`] (connections), [`inbound`] (payloads), [`outbound`]
//! (calls), [`manifest`].
//! Nothing else in the project knows what Slack is.

mod api;
mod blocks;
mod files;
mod forms;
mod history;
mod home;
pub mod ids;
pub mod inbound;
mod limits;
pub mod manifest;
mod marks;
pub mod methods;
pub mod options;
pub mod outbound;
mod people;
pub mod signature;
pub mod socket;

#[cfg(test)]
pub(crate) mod tests;

pub use inbound::{
    Accepted, Identity, Meant, PostedRequest, Relevance, accept, challenge, form_to_value, meant,
    posted, read,
};
pub use outbound::Slack;
pub use socket::SocketMode;
