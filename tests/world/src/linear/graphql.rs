//! The GraphQL endpoint: a request that is not valid against the schema never gets further.

use std::sync::Arc;
use std::time::Duration;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Selection;
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::{GraphQLError, JsonMap};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::complexity;
use super::fault::{Fault, extensions, refusal, unauthorized};
use super::resolve::Root;
use super::state::{OperationRecord, World};

/// Requests an hour that Linear grants an application.
const RATE_LIMIT: u64 = 5_000;
/// Requests that the log keeps.
const LOG: usize = 20_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    query: String,
    #[serde(default)]
    variables: Option<JsonMap>,
    operation_name: Option<String>,
}

/// `POST /graphql`.
pub(super) async fn serve(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    if !may_enter(&world, &headers) {
        return unauthorized();
    }
    let Ok(request) = serde_json::from_slice::<Request>(&bytes) else {
        world.violation("a request to /graphql was no GraphQL request".to_owned());
        return refusal(
            StatusCode::BAD_REQUEST,
            INVALID,
            "POST body is not a GraphQL request",
        );
    };
    // Whoever lets go after the answer was made lets this one go.
    let mut gate = world.gate.subscribe();
    let (field, mut response, late) = answer(&world, &request);
    match late {
        Late::Never => {}
        Late::By(late) => tokio::time::sleep(late).await,
        Late::Held => {
            world.held.send_modify(|held| *held += 1);
            // The sender lives as long as the world.
            let _ = gate.changed().await;
        }
    }
    let status = response.status().as_u16();
    let used = {
        let mut state = world.lock();
        if state.operations.len() < LOG {
            state.operations.push(OperationRecord {
                at: Timestamp::now(),
                field,
                status,
            });
        }
        state.operations.len() as u64
    };
    world.touch();
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-requests-limit", HeaderValue::from(RATE_LIMIT));
    if !headers.contains_key("x-ratelimit-requests-remaining") {
        let left = RATE_LIMIT.saturating_sub(used).max(1);
        headers.insert("x-ratelimit-requests-remaining", HeaderValue::from(left));
    }
    response
}

const INVALID: (&str, &str) = ("graphql error", "GRAPHQL_VALIDATION_FAILED");
const INPUT: (&str, &str) = ("invalid input", "INPUT_ERROR");

/// A live token, as `Bearer`.
pub(super) fn may_enter(world: &World, headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|token| world.lock().tokens.contains_key(token))
}

/// How late an answer is.
enum Late {
    Never,
    By(Duration),
    Held,
}

/// The operation's first field, the answer, and by how much it is late.
fn answer(world: &Arc<World>, request: &Request) -> (String, Response, Late) {
    let refused = |errors: &[GraphQLError]| {
        let field = "invalid".to_owned();
        (field, refuse(world, request, errors), Late::Never)
    };
    let schema = &world.schema;
    let parsed = ExecutableDocument::parse_and_validate(schema, &request.query, "request.graphql");
    let document = match parsed {
        Ok(document) => document,
        Err(invalid) => {
            let errors: Vec<GraphQLError> =
                invalid.errors.iter().map(|error| error.to_json()).collect();
            return refused(&errors);
        }
    };
    let operation = match document.operations.get(request.operation_name.as_deref()) {
        Ok(operation) => operation,
        Err(error) => {
            let error = error.to_graphql_error(&document.sources);
            return refused(&[error]);
        }
    };
    let cost = complexity::of(&document, operation);
    if cost > complexity::MAX {
        let message = format!("Query too complex: {cost:.0}");
        world.violation(message.clone());
        let response = refusal(StatusCode::BAD_REQUEST, INVALID, &message);
        return ("invalid".to_owned(), response, Late::Never);
    }
    let field = operation
        .selection_set
        .selections
        .iter()
        .find_map(|selection| match selection {
            Selection::Field(field) => Some(field.name.to_string()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        });
    let field = field.unwrap_or_default();
    let fault = planned(world, &field);
    if let Some(fault) = &fault
        && !matches!(
            fault,
            Fault::DoneButAnswered(_) | Fault::Slow(_) | Fault::Held
        )
    {
        return (field, fault.response(), Late::Never);
    }
    let root = Root::new(world, operation.is_mutation());
    let variables = request.variables.clone().unwrap_or_default();
    let executed = Execution::new(schema, &document)
        .operation(operation)
        .raw_variable_values(&variables)
        .execute_sync(&root);
    let response = match executed {
        Ok(done) => {
            let errors = with_extensions(&done.errors, INPUT);
            let mut body = json!({ "data": done.data });
            if !errors.is_empty() {
                body["errors"] = Value::Array(errors);
            }
            Json(body).into_response()
        }
        Err(error) => refuse(world, request, &[error.to_graphql_error(&document.sources)]),
    };
    match fault {
        None => (field, response, Late::Never),
        Some(Fault::Slow(late)) => (field, response, Late::By(late)),
        Some(Fault::Held) => (field, response, Late::Held),
        Some(fault) => (field, fault.response(), Late::Never),
    }
}

pub(super) fn planned(world: &World, field: &str) -> Option<Fault> {
    let mut state = world.lock();
    let index = state
        .faults
        .iter()
        .position(|one| one.field == "*" || one.field == field)?;
    Some(state.faults.remove(index).fault)
}

fn with_extensions(errors: &[GraphQLError], code: (&str, &str)) -> Vec<Value> {
    errors
        .iter()
        .map(|error| {
            let mut value = json!(error);
            value["extensions"] = extensions(code, &error.message);
            value
        })
        .collect()
}

/// Refuses a request that the schema refuses; the stand-in's user has a fault then.
fn refuse(world: &World, request: &Request, errors: &[GraphQLError]) -> Response {
    let query: Vec<&str> = request.query.split_whitespace().take(12).collect();
    let reasons: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    world.violation(format!("{} (in {} …)", reasons.join("; "), query.join(" ")));
    let body = json!({ "errors": with_extensions(errors, INVALID) });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
