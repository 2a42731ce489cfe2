//! Answers field by field from the stored entities; types are the schema's, so an answer cannot lie.

use std::sync::Arc;

use apollo_compiler::ast::Type;
use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};

use super::state::{Entity, World, reference, referenced};
use super::{mutations, queries};

/// Items of a list where the client does not say (Linear's own default).
const PAGE: usize = 50;
/// Most items of a list (Linear's own limit).
const LONGEST_PAGE: usize = 250;

/// Lists that are not stored with their owner: the owner's type and field, the items' type, and the
/// items' field that refers to the owner.
const OWNED: &[(&str, &str, &str, &str)] = &[
    (
        "AgentSession",
        "activities",
        "AgentActivity",
        "agentSession",
    ),
    ("Comment", "children", "Comment", "parent"),
    ("Issue", "agentSessions", "AgentSession", "issue"),
    ("Issue", "attachments", "Attachment", "issue"),
    ("Issue", "children", "Issue", "parent"),
    ("Issue", "comments", "Comment", "issue"),
    ("Issue", "history", "IssueHistory", "issue"),
    ("Organization", "teams", "Team", "organization"),
    ("Organization", "users", "User", "organization"),
    ("Team", "issues", "Issue", "team"),
    ("Team", "states", "WorkflowState", "team"),
    ("User", "assignedIssues", "Issue", "assignee"),
    ("User", "delegatedIssues", "Issue", "delegate"),
];

/// The root of one operation.
pub(super) struct Root<'w> {
    world: &'w Arc<World>,
    mutation: bool,
}

/// An object: an entity, or one that was made for this answer.
struct Node<'w> {
    world: &'w Arc<World>,
    kind: String,
    fields: Map<String, Value>,
}

/// An error with Linear's kind of message.
pub(super) fn failed(message: impl Into<String>) -> FieldError {
    FieldError {
        message: message.into(),
    }
}

impl<'w> Root<'w> {
    pub(super) fn new(world: &'w Arc<World>, mutation: bool) -> Self {
        Self { world, mutation }
    }
}

impl ObjectValue for Root<'_> {
    fn type_name(&self) -> &str {
        if self.mutation { "Mutation" } else { "Query" }
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let arguments = arguments(info);
        let value = if self.mutation {
            mutations::run(self.world, info.field_name(), &arguments)?
        } else {
            queries::run(self.world, info.field_name(), &arguments)?
        };
        complete(self.world, &info.field_definition().ty, value, info)
    }
}

impl ObjectValue for Node<'_> {
    fn type_name(&self) -> &str {
        &self.kind
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let name = info.field_name();
        let declared = &info.field_definition().ty;
        let value = match self.fields.get(name) {
            Some(value) => value.clone(),
            None => self.absent(name, declared)?,
        };
        complete(self.world, declared, value, info)
    }
}

impl Node<'_> {
    /// The value of a field that is not stored.
    fn absent(&self, name: &str, declared: &Type) -> Result<Value, FieldError> {
        let own = self
            .fields
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let owned = OWNED
            .iter()
            .find(|(kind, field, ..)| *kind == self.kind && *field == name);
        if let Some((_, _, items, back)) = owned {
            let state = self.world.lock();
            let list = state.all(items, |entity| {
                entity.link(back) == Some(own) && entity.value("replaced").is_null()
            });
            return Ok(list
                .into_iter()
                .map(|entity| reference(entity.id()))
                .collect());
        }
        if let Some(field) = name.strip_suffix("Id")
            && let Some(linked) = self.fields.get(field).and_then(referenced)
        {
            return Ok(json!(linked));
        }
        if !declared.is_non_null() {
            return Ok(Value::Null);
        }
        if declared.is_list() || declared.inner_named_type().ends_with("Connection") {
            return Ok(json!([]));
        }
        self.world
            .violation(format!("the stand-in keeps no {name} of {}", self.kind));
        Err(failed(format!(
            "the stand-in keeps no {name} of {}",
            self.kind
        )))
    }
}

fn arguments(info: &ResolveInfo<'_>) -> Map<String, Value> {
    match serde_json::to_value(info.arguments()) {
        Ok(Value::Object(arguments)) => arguments,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn complete<'a>(
    world: &'a Arc<World>,
    declared: &Type,
    value: Value,
    info: &ResolveInfo<'_>,
) -> Result<ResolvedValue<'a>, FieldError> {
    let name = declared.inner_named_type();
    let leaf = matches!(
        info.schema().types.get(name),
        Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_))
    );
    if declared.is_list() && !value.is_null() {
        let Value::Array(items) = value else {
            return Err(failed(format!("{name} is no list")));
        };
        let items: Result<Vec<_>, _> = items
            .into_iter()
            .map(|item| {
                if leaf {
                    Ok(ResolvedValue::leaf(item))
                } else {
                    object(world, name, item)
                }
            })
            .collect();
        return Ok(ResolvedValue::list(items?));
    }
    if leaf {
        // JSON has one kind of number, GraphQL has two.
        let value = if name == "Float" {
            value.as_f64().map_or(value, Value::from)
        } else {
            value
        };
        return Ok(ResolvedValue::leaf(value));
    }
    match value {
        Value::Array(items) if name.ends_with("Connection") => {
            let page = connection(world, items, &arguments(info));
            object(world, name, page)
        }
        other => object(world, name, other),
    }
}

fn object<'a>(
    world: &'a Arc<World>,
    name: &str,
    value: Value,
) -> Result<ResolvedValue<'a>, FieldError> {
    if let Some(id) = referenced(&value) {
        let state = world.lock();
        let entity = state
            .entities
            .get(id)
            .ok_or_else(|| failed("Entity not found"))?;
        let node = Node {
            world,
            kind: entity.kind.to_owned(),
            fields: entity.fields.clone(),
        };
        return Ok(ResolvedValue::object(node));
    }
    match value {
        Value::Null => Ok(ResolvedValue::null()),
        Value::Object(fields) => {
            let kind = fields
                .get("__typename")
                .and_then(Value::as_str)
                .unwrap_or(name)
                .to_owned();
            Ok(ResolvedValue::object(Node {
                world,
                kind,
                fields,
            }))
        }
        _ => Err(failed(format!("the stand-in has no object for {name}"))),
    }
}

/// One page of a list with its cursors.
fn connection(world: &World, items: Vec<Value>, arguments: &Map<String, Value>) -> Value {
    let number = |key: &str| {
        arguments
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok())
    };
    let wanted = arguments.get("filter").cloned().unwrap_or(Value::Null);
    let items: Vec<Value> = items
        .into_iter()
        .filter(|item| {
            let state = world.lock();
            let entity = referenced(item).and_then(|id| state.entities.get(id));
            entity.is_none_or(|entity| matches(&state.entities, entity, &wanted))
        })
        .collect();
    let cursor = |item: &Value| referenced(item).unwrap_or_default().to_owned();
    let position = |key: &str| {
        let wanted = arguments.get(key)?.as_str()?;
        items.iter().position(|item| cursor(item) == wanted)
    };
    let from = position("after").map_or(0, |index| index + 1);
    let to = position("before").unwrap_or(items.len()).max(from);
    let window = &items[from..to];
    let page = match (number("first"), number("last")) {
        (None, Some(last)) => &window[window.len().saturating_sub(last.min(LONGEST_PAGE))..],
        (first, _) => &window[..first.unwrap_or(PAGE).min(LONGEST_PAGE).min(window.len())],
    };
    let edges: Vec<Value> = page
        .iter()
        .map(|item| json!({ "node": item, "cursor": cursor(item) }))
        .collect();
    let last_shown = page.last().map(cursor);
    json!({
        "nodes": page,
        "edges": edges,
        "pageInfo": {
            "hasNextPage": last_shown.is_some() && last_shown != items.last().map(cursor),
            "hasPreviousPage": page.first().map(cursor) != items.first().map(cursor),
            "startCursor": page.first().map(cursor),
            "endCursor": last_shown,
        },
    })
}

/// Whether an entity fits a filter of Linear's form: comparators at the leaves, objects for relations.
fn matches(
    entities: &std::collections::BTreeMap<String, Entity>,
    entity: &Entity,
    filter: &Value,
) -> bool {
    let Some(conditions) = filter.as_object() else {
        return true;
    };
    conditions
        .iter()
        .all(|(key, wanted)| match (key.as_str(), wanted) {
            ("and", Value::Array(all)) => all.iter().all(|one| matches(entities, entity, one)),
            ("or", Value::Array(any)) => any.iter().any(|one| matches(entities, entity, one)),
            (_, Value::Null) => true,
            (field, _) => match entity.link(field).and_then(|id| entities.get(id)) {
                Some(linked) => matches(entities, linked, wanted),
                None => compare(&entity.value(field), wanted),
            },
        })
}

fn compare(value: &Value, comparator: &Value) -> bool {
    let Some(rules) = comparator.as_object() else {
        return true;
    };
    rules.iter().all(|(rule, wanted)| match rule.as_str() {
        _ if wanted.is_null() => true,
        "eq" => value == wanted,
        "neq" => value != wanted,
        "in" => wanted.as_array().is_some_and(|list| list.contains(value)),
        "nin" => wanted.as_array().is_some_and(|list| !list.contains(value)),
        "null" => wanted.as_bool() == Some(value.is_null()),
        "contains" => match (value.as_str(), wanted.as_str()) {
            (Some(text), Some(part)) => text.contains(part),
            (None | Some(_), _) => false,
        },
        _ => false,
    })
}
