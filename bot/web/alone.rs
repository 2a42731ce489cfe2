//! Doors without the bot behind them, as `deckhand-doors` has them: what platforms send is verified, stored and answered here,
//! and the bot beside hears of it. Pages, menus and everything else that has to know more stay with the bot.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::{FromRef, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

use super::{
    BODY_MAX_BYTES, REQUEST_MAX,
    doors::{self, Doors},
    health, metrics,
};

/// What doors without a bot need.
#[derive(Clone)]
pub struct Alone {
    /// What every door needs.
    pub doors: Doors,
    /// The counters of this process.
    pub metrics: PrometheusHandle,
    /// Whether it is being shut down.
    pub draining: Draining,
}

impl FromRef<Alone> for Doors {
    fn from_ref(alone: &Alone) -> Self {
        alone.doors.clone()
    }
}

/// Whether a process is being shut down. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// It is, from now on.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The doors, and what whoever looks after them asks.
pub fn router(alone: Alone) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_MAX,
        ))
        .layer(RequestBodyLimitLayer::new(BODY_MAX_BYTES))
        .merge(doors::routes())
        .with_state(alone)
}

/// `/readyz`: what comes can be stored, in the schema that these doors know, and nothing is being shut down.
async fn ready(State(alone): State<Alone>) -> Response {
    let trouble = if alone.draining.0.load(Ordering::Relaxed) {
        Some("shutting down".to_owned())
    } else {
        health::of_database(&alone.doors.store).await
    };
    match trouble {
        None => "ready\n".into_response(),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")).into_response(),
    }
}

/// `/metrics`: what these doors counted. What the database has, the bot tells.
async fn scrape(State(alone): State<Alone>) -> Response {
    (
        [(header::CONTENT_TYPE, metrics::TEXT_FORMAT)],
        alone.metrics.render(),
    )
        .into_response()
}
