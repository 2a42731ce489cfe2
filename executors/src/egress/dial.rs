//! The host's own way to the internet: a name is resolved once, its addresses are vetted, and one of those is dialled,
//! so that a name cannot lead elsewhere between the check and the connection.

use std::{io, net::SocketAddr, time::Duration};

use hyper::{Uri, header::HeaderValue};
use hyper_util::client::legacy::connect::{HttpConnector, proxy::Tunnel};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tower_service::Service as _;

use super::{
    EgressError,
    policy::{Reach, may_lead_to},
};

/// How long a name may take to resolve.
const RESOLVE_TIME: Duration = Duration::from_secs(5);
/// How long one address, or the host's own proxy, may take to accept a connection.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// How this host reaches the internet.
#[derive(Debug, Clone)]
pub enum Way {
    /// By itself.
    Direct,
    /// Through a proxy of the house, by CONNECT. The house's proxy resolves the names, so it vets the addresses.
    Proxy {
        /// Its address: `http://host:port`.
        address: Uri,
        /// What it wants in `Proxy-Authorization`.
        authorization: Option<HeaderValue>,
    },
}

impl Way {
    /// Through the proxy at `http://host:port`, or `http://name:password@host:port`.
    pub fn proxy(address: &str) -> Result<Self, EgressError> {
        // The text may hold a password, so no message repeats it.
        let refuse = |reason: &str| EgressError::Way(reason.to_owned());
        let uri: Uri = address.parse().map_err(|_| refuse("it is no address"))?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority
            .ok_or_else(|| refuse("it has to begin with http://"))?
            .as_str();
        let (login, host) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(login, host)| (Some(login), host));
        let authorization = match login {
            Some(login) => {
                Some(basic(login).ok_or_else(|| refuse("its login cannot stand in a header"))?)
            }
            None => None,
        };
        let address = format!("http://{host}")
            .parse()
            .map_err(|_| refuse("it is no address"))?;
        Ok(Self::Proxy {
            address,
            authorization,
        })
    }

    /// A connector through the house's proxy, if there is one.
    pub(super) fn tunnel(&self, connector: HttpConnector) -> Option<Tunnel<HttpConnector>> {
        match self {
            Self::Direct => None,
            Self::Proxy {
                address,
                authorization,
            } => {
                let tunnel = Tunnel::new(address.clone(), connector);
                Some(match authorization {
                    Some(value) => tunnel.with_auth(value.clone()),
                    None => tunnel,
                })
            }
        }
    }
}

fn basic(login: &str) -> Option<HeaderValue> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(login);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Why a host could not be dialled.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name leads nowhere.
    #[error("its name cannot be resolved")]
    Unresolved,
    /// All its addresses are ones that it may not lead to.
    #[error("its name leads to an address that is not of the internet")]
    Forbidden,
    /// Nobody accepts the connection.
    #[error("it does not accept a connection: {0}")]
    Refused(io::Error),
}

/// Connects to a host that the policy allows.
pub async fn dial(way: &Way, host: &str, port: u16, reach: Reach) -> Result<TcpStream, DialError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    if let Some(mut tunnel) = way.tunnel(connector) {
        let target = format!("http://{host}:{port}")
            .parse()
            .map_err(|_| DialError::Unresolved)?;
        let stream = timeout(CONNECT_TIME, tunnel.call(target))
            .await
            .map_err(|_| late())?;
        return Ok(stream
            .map_err(|error| DialError::Refused(io::Error::other(error)))?
            .into_inner());
    }
    direct(lookup_host((host, port)), reach).await
}

/// Resolves once, vets, and connects to what was vetted: whatever the name leads to a moment later, nobody asks again.
async fn direct(
    lookup: impl Future<Output = io::Result<impl Iterator<Item = SocketAddr>>>,
    reach: Reach,
) -> Result<TcpStream, DialError> {
    let found = timeout(RESOLVE_TIME, lookup).await;
    let found = found
        .map_err(|_| DialError::Unresolved)?
        .map_err(|_| DialError::Unresolved)?;
    let vetted: Vec<_> = found
        .filter(|address| may_lead_to(reach, address.ip()))
        .take(MAX_ADDRESSES)
        .collect();
    let mut failure = DialError::Forbidden;
    for address in vetted {
        match timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small pieces of a stream must not wait for each other; a failure only makes it slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failure = DialError::Refused(error),
            Err(_) => failure = late(),
        }
    }
    Err(failure)
}

fn late() -> DialError {
    DialError::Refused(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::future::ready;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_name_leads_to_the_addresses_that_were_vetted_and_to_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inside = listener.local_addr().unwrap();
        let metadata = SocketAddr::from(([169, 254, 169, 254], inside.port()));
        let answer = |addresses: Vec<SocketAddr>| ready(Ok(addresses.into_iter()));

        for (addresses, reach) in [
            (vec![inside], Reach::Public),
            (vec![metadata, inside], Reach::Public),
            (vec![metadata], Reach::House),
            (vec![], Reach::House),
        ] {
            let refused = direct(answer(addresses), reach).await;
            assert!(matches!(refused, Err(DialError::Forbidden)), "{refused:?}");
        }
        // The forbidden one is passed over, and not waited for.
        let stream = direct(answer(vec![metadata, inside]), Reach::House)
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), inside);
        let (_, client) = listener.accept().await.unwrap();
        assert_eq!(
            client,
            stream.local_addr().unwrap(),
            "the only one that came"
        );
    }
}
