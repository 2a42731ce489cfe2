//! Doors and pages. A door verifies, stores, and only then answers; work happens elsewhere.

pub mod alone;
pub mod api;
mod artifacts;
pub mod doors;
pub mod health;
pub mod install;
pub mod metrics;
pub mod options;
pub mod pages;
pub mod server;
pub mod socket;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

use crate::{
    clock::Clock, config::Config, github::Github, heartbeat::Heartbeats, redact::Redactor,
    slack::socket::SocketState, store::Store, surface::People, wake::Wake,
};

/// The largest body that a page reads, in bytes; none needs any.
const BODY_MAX_BYTES: usize = 64 << 10;
/// How long a page may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// What doors and pages need.
#[derive(Clone)]
pub struct Web {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Wakes the dispatcher.
    pub wake: Wake,
    /// The counters.
    pub metrics: PrometheusHandle,
    /// Whether the engine answers, and whether this process is being shut down.
    pub health: health::Health,
    /// The workers' signs of life.
    pub heartbeats: Heartbeats,
    /// The connections of Socket Mode, where it is on.
    pub sockets: Option<SocketState>,
    /// Takes secrets out of pages.
    pub redactor: Redactor,
    /// Lists repositories while somebody looks for one.
    pub github: Option<Github>,
    /// Tells who looks, and where a task is talked about.
    pub people: Arc<dyn People>,
    /// Where tasks are talked about, as far as it was told.
    pub known_pages: api::KnownPages,
    /// Adds workspaces of Slack, where they may be added.
    pub installing: Option<install::Installing>,
}

/// Every door and page.
pub fn router(web: Web) -> Router {
    // The live log stays open, so it stands outside the time limit.
    let open = Router::new().route("/tasks/{id}/events", get(pages::events));
    // Like the doors they count what they refuse.
    let doors = doors::routes()
        .route("/slack/options", post(options::slack_options))
        .nest(api::BELOW, api::routes(&web.config));
    let bounded = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::scrape))
        .route("/slack/install", get(install::begin))
        .route(install::BACK, get(install::back))
        .route("/tasks/{id}", get(pages::task))
        .route("/tasks/{id}/artifacts/{name}", get(pages::artifact))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_MAX,
        ));
    open.merge(bounded)
        .layer(RequestBodyLimitLayer::new(BODY_MAX_BYTES))
        .merge(doors)
        .with_state(web)
}
