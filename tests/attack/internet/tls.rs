//! Hosts of the suite's internet that speak TLS: one certificate for all of them, by an authority of the suite's own.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;

/// The hosts whose certificate is right. The others answer too, and only who checks nothing speaks to them.
const HOSTS: [&str; 2] = ["inspected.example", "never.example"];

/// How the hosts agree on TLS.
#[derive(Clone)]
pub struct Hosts(pub TlsAcceptor);

impl Hosts {
    /// The hosts, and the authority that vouches for them.
    pub fn vouched_for() -> anyhow::Result<(CertificateDer<'static>, Self)> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let authority = parameters.self_signed(&key)?.der().clone();
        let issuer = Issuer::new(parameters, key);
        let key = KeyPair::generate()?;
        let of_hosts = CertificateParams::new(HOSTS.map(str::to_owned))?;
        let certificate = of_hosts.signed_by(&key, &issuer)?;
        let own_key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], own_key)
            .context("the certificate of the suite's hosts")?;
        // What HTTP/2 carries would have to be unpacked to be seen.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((authority, Self(TlsAcceptor::from(Arc::new(server)))))
    }
}
