//! Why a call of the API was not done: a status, a code for programs, and a sentence for whoever looks.

use askama::Template;
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tracing::error;

use crate::{
    store::{StoreError, inbox::Source},
    web::doors::Outcome,
};

/// The sentence of a problem.
#[derive(Template)]
#[template(path = "pages/api_problem.txt")]
struct Sentence<'a> {
    problem: &'a Problem,
}

/// Why a call was not done.
#[derive(Debug)]
pub(super) enum Problem {
    /// There is no token, or none that is known.
    Unauthorized,
    /// No call stands at this address.
    NoSuchCall,
    /// A call stands there, with another method.
    WrongMethod,
    /// There is no task of this name.
    NoSuchTask,
    /// What is stored of the task is damaged.
    Unreadable,
    /// The task is over, in another way than by a cancel.
    Over {
        /// Its name.
        id: String,
        /// How it stands, in words.
        stands: &'static str,
    },
    /// `Idempotency-Key` is none.
    BadKey,
    /// The body is larger than what is read.
    TooLarge,
    /// The body did not come whole in time.
    TooSlow,
    /// The body broke off.
    BrokenOff,
    /// The database did not take the order.
    NotStored {
        /// What is wrong with it; none where it does not answer.
        why: Option<String>,
    },
    /// The database did not tell of the task.
    NotRead {
        /// What is wrong with it; none where it does not answer.
        why: Option<String>,
    },
}

impl Problem {
    /// What was wrong with a body, once that is counted.
    pub(super) fn of_body(outcome: &Outcome) -> Self {
        outcome.counted(Source::Api);
        match outcome {
            Outcome::Oversized => Self::TooLarge,
            Outcome::Slow => Self::TooSlow,
            Outcome::Stored
            | Outcome::Repeated
            | Outcome::Unknown
            | Outcome::Unsigned(_)
            | Outcome::Stale(_)
            | Outcome::Malformed
            | Outcome::Unstored(_) => Self::BrokenOff,
        }
    }

    /// An order that was not stored.
    pub(super) fn not_stored(error: &anyhow::Error) -> Self {
        let why = error.downcast_ref::<StoreError>().map(StoreError::in_words);
        Self::NotStored { why }
    }

    /// A task that was not read.
    pub(super) fn not_read(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<StoreError>() {
            Some(StoreError::Task(..)) => Self::Unreadable,
            error => Self::NotRead {
                why: error.map(StoreError::in_words),
            },
        }
    }

    const fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NoSuchCall => (StatusCode::NOT_FOUND, "no_such_call"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Self::NoSuchTask => (StatusCode::NOT_FOUND, "no_such_task"),
            Self::Unreadable => (StatusCode::INTERNAL_SERVER_ERROR, "unreadable_task"),
            Self::Over { .. } => (StatusCode::CONFLICT, "task_is_over"),
            Self::BadKey => (StatusCode::BAD_REQUEST, "bad_idempotency_key"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, "broken_off"),
            Self::NotStored { .. } => (StatusCode::SERVICE_UNAVAILABLE, "not_stored"),
            Self::NotRead { .. } => (StatusCode::SERVICE_UNAVAILABLE, "not_read"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.told();
        let sentence = Sentence { problem: &self };
        let message = sentence.render().unwrap_or_else(|error| {
            error!(%error, "a sentence could not be made");
            String::new()
        });
        let told = json!({ "error": { "code": code, "message": message.trim() } });
        let mut response = (status, Json(told)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
