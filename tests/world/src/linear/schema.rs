//! Linear's schema: the published one where it is at hand, else a small one of our own.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use flate2::read::GzDecoder;

/// The part of Linear's interface that Deckhand uses.
const BUILT_IN: &str = include_str!("builtin.graphql");
/// Where the published schema lies below the folder of public facts.
const PUBLISHED: &str = "linear/schema.graphql.gz";
/// What a newer SDK adds to it.
const DELTA: &str = "schema-98.0.0.delta.graphql";
/// Largest schema that is read, in bytes unpacked.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Which schema requests are held against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SchemaSource {
    /// Linear's own, from this file.
    Published(PathBuf),
    /// The small one in this crate: a request may use only what Deckhand uses, and types are
    /// looser than Linear's.
    BuiltIn,
}

/// A schema, loaded.
pub(super) type Loaded = Arc<Valid<Schema>>;

/// The published schema beside the project, or the built-in one where there is none.
pub(super) fn find(wanted: Option<&Path>) -> SchemaSource {
    let folder = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let file = wanted.map_or_else(|| folder.join(PUBLISHED), Path::to_path_buf);
    if file.is_file() {
        SchemaSource::Published(file)
    } else {
        SchemaSource::BuiltIn
    }
}

/// Loads a schema once per process; a debug build needs half a second for the published one.
pub(super) fn load(source: &SchemaSource) -> anyhow::Result<Loaded> {
    static LOADED: Mutex<Option<HashMap<SchemaSource, Loaded>>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded.get_or_insert_default();
    if let Some(schema) = loaded.get(source) {
        return Ok(Arc::clone(schema));
    }
    let schema = Arc::new(parse(source)?);
    loaded.insert(source.clone(), Arc::clone(&schema));
    Ok(schema)
}

fn parse(source: &SchemaSource) -> anyhow::Result<Valid<Schema>> {
    let mut builder = Schema::builder();
    match source {
        SchemaSource::BuiltIn => builder = builder.parse(BUILT_IN, "builtin.graphql"),
        SchemaSource::Published(file) => {
            builder = builder.parse(text(file)?, "schema.graphql");
            let delta = file.with_file_name(DELTA);
            if delta.is_file() {
                builder = builder.parse(text(&delta)?, DELTA);
            }
        }
    }
    let schema = builder
        .build()
        .map_err(|broken| anyhow!("the schema cannot be read: {}", broken.errors))?;
    schema
        .validate()
        .map_err(|broken| anyhow!("the schema is not valid: {}", broken.errors))
}

fn text(file: &Path) -> anyhow::Result<String> {
    let opened = std::fs::File::open(file).with_context(|| format!("no {}", file.display()))?;
    let mut text = String::new();
    if file.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(opened)
            .take(LARGEST)
            .read_to_string(&mut text)?;
    } else {
        opened.take(LARGEST).read_to_string(&mut text)?;
    }
    Ok(text)
}
