//! What an operation costs at Linear, before it is done.
//!
//! The rules are from Linear's documentation of rate limits: a property is a tenth of a point, an object one, and what is
//! in a list counts as often as the list may be long.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};

/// The most points of one operation.
pub(super) const MAX: f64 = 10_000.0;
/// Items of a list where the operation does not say.
const PAGE: f64 = 50.0;

/// The points of an operation.
pub(super) fn of(document: &ExecutableDocument, operation: &Operation) -> f64 {
    of_selection(document, &operation.selection_set, 1.0)
}

/// The points of what is selected, where items of a list count `times`.
fn of_selection(document: &ExecutableDocument, set: &SelectionSet, times: f64) -> f64 {
    let selections = set.selections.iter();
    selections
        .map(|selection| match selection {
            Selection::Field(field) => {
                let is_items = matches!(field.name.as_str(), "nodes" | "edges");
                let times = if is_items { times } else { 1.0 };
                times * of_field(document, field)
            }
            Selection::FragmentSpread(spread) => document
                .fragments
                .get(&spread.fragment_name)
                .map_or(0.0, |one| of_selection(document, &one.selection_set, times)),
            Selection::InlineFragment(inline) => {
                of_selection(document, &inline.selection_set, times)
            }
        })
        .sum()
}

fn of_field(document: &ExecutableDocument, field: &Field) -> f64 {
    if field.selection_set.selections.is_empty() {
        return 0.1;
    }
    let is_list = field
        .definition
        .ty
        .inner_named_type()
        .ends_with("Connection");
    let times = if is_list { length(field) } else { 1.0 };
    1.0 + of_selection(document, &field.selection_set, times)
}

fn length(field: &Field) -> f64 {
    let mut limits = field.arguments.iter();
    let first = limits.find(|one| one.name == "first" || one.name == "last");
    match first.map(|one| one.value.as_ref()) {
        Some(Value::Int(number)) => number.try_to_f64().unwrap_or(PAGE),
        Some(_) | None => PAGE,
    }
}
