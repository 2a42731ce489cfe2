//! Slack's identifiers, each with a type of its own so that a user cannot be passed for a channel.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier as Slack writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// A person or a bot, such as `UANA`.
    UserId
}
identifier! {
    /// A channel (`CENG`) or a direct conversation (`D…`).
    ChannelId
}
identifier! {
    /// A message's time stamp, `seconds.microseconds`; unique in the workspace, and ordered by time as text.
    Ts
}
identifier! {
    /// A file, such as `F0001`.
    FileId
}
identifier! {
    /// An opened view (modal), such as `V0001`.
    ViewId
}

impl Ts {
    /// Whether `text` has the shape that Slack gives time stamps.
    #[must_use]
    pub fn is_well_formed(text: &str) -> bool {
        text.split_once('.').is_some_and(|(seconds, fraction)| {
            let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            !seconds.is_empty() && fraction.len() == 6 && digits(seconds) && digits(fraction)
        })
    }
}
