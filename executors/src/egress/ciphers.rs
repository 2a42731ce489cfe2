//! Which ciphers TLS is spoken with at the proxy.

use std::sync::Arc;

use rustls::{
    CipherSuite,
    crypto::{CryptoProvider, ring},
};

/// The library's own ciphers, those with a key of 128 bits first: they take a third less time, and each byte that is
/// inspected goes through four of them. Browsers prefer them too.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}
