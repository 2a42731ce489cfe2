//! What programs in a sandbox have to be told so that they find the way out and trust it.

use std::collections::BTreeMap;

use super::authority::{AUTHORITY_NAME, ROOTS_NAME};

/// Where a run's folder appears in its sandbox.
pub const RUN_FOLDER: &str = "/run/deckhand";
/// Where the shim offers the way out inside a sandbox.
pub const ADDRESS: &str = "http://127.0.0.1:3128";
/// What needs no way out.
const INSIDE: &str = "127.0.0.1,localhost";

/// Variables that name the proxy. Programs disagree about their spelling.
const PROXY: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Variables that name a list of authorities in place of a program's own: OpenSSL and what is built on it, curl, git,
/// Python's clients, npm, Yarn, Cargo, Deno, Ruby's Bundler, gRPC, and the clouds' command lines.
const ROOTS: [&str; 14] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NPM_CONFIG_CAFILE",
    "YARN_HTTPS_CA_FILE_PATH",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    "BUNDLE_SSL_CA_CERT",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "AWS_CA_BUNDLE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    // In addition to its own list, which knows no house's authority.
    "NODE_EXTRA_CA_CERTS",
];
/// The run's authority by itself, for whoever wants to add it to a list that no variable names, as a JVM's.
const AUTHORITY: &str = "DECKHAND_AUTHORITY";

/// The environment of every process of a sandbox whose run's folder is mounted at [`RUN_FOLDER`].
#[must_use]
pub fn way_out_environment() -> BTreeMap<String, String> {
    let roots = format!("{RUN_FOLDER}/{ROOTS_NAME}");
    let authority = format!("{RUN_FOLDER}/{AUTHORITY_NAME}");
    PROXY
        .iter()
        .map(|name| (*name, ADDRESS))
        .chain(NO_PROXY.iter().map(|name| (*name, INSIDE)))
        .chain(ROOTS.iter().map(|name| (*name, roots.as_str())))
        .chain([(AUTHORITY, authority.as_str())])
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
