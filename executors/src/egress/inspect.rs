//! TLS that is ended at the proxy and begun anew behind it, so that each request inside is decided by its method and
//! path, loses the sandbox's own credentials, and gets the one that its rule names.

use std::{convert::Infallible, fmt, io, sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, Request, Response,
    body::Incoming,
    client::conn::http1 as client,
    header::{ACCEPT_ENCODING, HOST, HeaderValue, IF_RANGE, RANGE, UPGRADE},
    http::{request::Parts, uri::Authority as HostAndPort},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    net::TcpStream,
    sync::Mutex,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::{
    EgressError,
    authority::{Authority, list_of},
    batch::Batched,
    ciphers::provider,
    credential::Credential,
    dial::{CONNECT_TIME, dial},
    form,
    forward::{IDLE_TIME, clean_request, pass_on, request_body},
    greeting::{Hello, replay},
    issued::OfRun,
    journal::{Asked, Entry},
    plain::unreachable,
    policy::{Permit, Phase, Question, Seen, TLS_PORT, normal},
    query::without_credentials,
    record::{Rule, Verdict},
    refusal::{Body, Refusal},
    scrub::{is_plain, scrub},
    serve::{HEAD_TIME, Service},
};

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes that one read takes from a host: TLS's library asks for 4 KiB at a time.
const READ_BYTES: usize = 256 * 1024;
/// Bytes that wait to be taken by a client, so that a large body is handed on in large pieces: waking it costs more than
/// copying.
const WRITE_BYTES: usize = 256 * 1024;

/// What inspection takes, beside the policy.
#[derive(Debug)]
pub struct Inspection {
    /// Speaks in the hosts' names.
    pub authority: Authority,
    /// What rules may name.
    pub credentials: Vec<Credential>,
    /// How the proxy itself speaks to hosts.
    pub trust: Trust,
    /// What the sandbox holds in the place of credentials.
    pub issued: OfRun,
}

/// Whom the proxy believes to be a host: those that the machine's own list vouches for.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    list: Arc<str>,
}

impl Trust {
    /// What the machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), and `extra`.
    pub fn of_machine(extra: &[CertificateDer<'static>]) -> Result<Self, EgressError> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let reason = found
                .errors
                .first()
                .map_or_else(|| "there are none".to_owned(), ToString::to_string);
            return Err(EgressError::Certificates(io::Error::other(reason)));
        }
        let roots = [found.certs.as_slice(), extra].concat();
        let list = list_of(&roots).into();
        let mut store = RootCertStore::empty();
        // Lists hold old certificates that no library reads any more; the others count.
        store.add_parsable_certificates(roots);
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| EgressError::Certificates(io::Error::other(error)))?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            list,
        })
    }

    /// The list itself, as the text that clients read.
    pub fn list(&self) -> &str {
        &self.list
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Trust({} bytes)", self.list.len())
    }
}

/// A connection to a host that is inspected.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The host, in its one spelling.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The phase in which it was made; it ends with it.
    pub phase: Phase,
    /// Who asks, where it is known.
    pub client: Option<String>,
}

/// Ends the TLS of a client whose greeting named the right host, and answers its requests until it goes.
///
/// `entry` is the record of the connection; each request has one of its own.
pub async fn converse(
    service: Arc<Service>,
    inspected: Inspected,
    client: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    hello: Hello,
    mut entry: Entry,
) {
    let config = match service.inspection.authority.server(&inspected.host) {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(%error, host = inspected.host, "no certificate could be made for a host");
            entry.fail();
            return;
        }
    };
    let accepted = TlsAcceptor::from(config).accept_with(replay(hello.bytes, client), |session| {
        session.set_buffer_limit(Some(WRITE_BYTES));
    });
    let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME, accepted).await else {
        // Mostly a program that has its own list of authorities and does not trust the run's.
        entry.fail();
        return;
    };
    let line = Arc::new(Line {
        service,
        inspected,
        upstream: Mutex::new(None),
    });
    let answer = service_fn(|request| {
        let line = Arc::clone(&line);
        async move { Ok::<_, Infallible>(line.answer(request).await) }
    });
    let outcome = server::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "an inspected connection of a sandbox broke");
    }
}

/// One client's connection, and the one behind it.
struct Line {
    service: Arc<Service>,
    inspected: Inspected,
    upstream: Mutex<Option<client::SendRequest<Body>>>,
}

impl Line {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Inspected {
            host,
            port,
            phase,
            client,
        } = &self.inspected;
        let mut entry = self.service.journal.entry(Asked {
            phase: Some(*phase),
            method: request.method().to_string(),
            host: with_port(host, *port),
            path: Some(request.uri().path().to_owned()),
            target: Some((host.clone(), *port)),
            client: client.clone(),
        });
        match self.forward(request, &mut entry).await {
            Ok((response, None)) => pass_on(response, entry),
            Ok((response, Some(credential))) => scrub(pass_on(response, entry), credential),
            Err(refusal) => refusal.answer(&mut entry),
        }
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<(Response<Incoming>, Option<&Credential>), Refusal> {
        let Inspected {
            host, port, phase, ..
        } = &self.inspected;
        let (mut head, body) = request.into_parts();
        has_one_meaning(&head, host, *port)?;
        form::reading(&head, &body)?;
        let permit = self
            .service
            .gate
            .policy()
            .request(&Question {
                phase: *phase,
                host,
                port: *port,
                method: &head.method,
                path: head.uri.path(),
                query: head.uri.query(),
                seen: Seen::Inspected,
            })
            .map_err(|denial| Refusal::denial(denial, *phase, host))?;
        let issued = &self.service.inspection.issued;
        issued.refuse_anothers(&head.headers, &head.uri)?;
        let credential = self.credential(&permit)?;
        entry.decide(Verdict::Allowed, permit.rule.clone());
        entry.count_head(&head);
        if entry.traffic().is_spent() {
            return Err(Refusal::spent(host));
        }
        head.uri = without_credentials(&head.uri).ok_or_else(|| malformed("Its path is none."))?;
        clean_request(&mut head.headers);
        issued.take_off(&mut head.headers);
        let name = HeaderValue::try_from(with_port(host, *port));
        head.headers
            .insert(HOST, name.map_err(|_| malformed("Its host is none."))?);
        if let Some(credential) = credential {
            credential.add(&mut head.headers);
            can_be_looked_through(&mut head.headers);
        }
        let body = request_body(body, entry.traffic())?;
        let request = Request::from_parts(head, body);
        let response = timeout(IDLE_TIME, self.send(request, &permit)).await;
        let response = response.map_err(|_| {
            Refusal::Failed(format!("{host} was silent for {} s.", IDLE_TIME.as_secs()))
        })??;
        if credential.is_some() && !is_plain(response.headers()) {
            return Err(Refusal::Failed(format!(
                "{host} compressed its answer to a request with a credential, which cannot be looked through."
            )));
        }
        Ok((response, credential))
    }

    /// The credential that the rule names. One that is not there is no reason to ask without it.
    fn credential(&self, permit: &Permit) -> Result<Option<&Credential>, Refusal> {
        let Some(name) = &permit.credential else {
            return Ok(None);
        };
        let known = &self.service.inspection.credentials;
        let found = known.iter().find(|known| known.name() == name);
        found.map(Some).ok_or_else(|| {
            Refusal::Failed(format!(
                "The rule names the credential {name}, which is not in the settings."
            ))
        })
    }

    /// Sends a request, by the connection that is there or by a new one. What the host closed meanwhile is made anew
    /// once, where nothing of the request has left.
    async fn send(
        &self,
        request: Request<Body>,
        permit: &Permit,
    ) -> Result<Response<Incoming>, Refusal> {
        let host = &self.inspected.host;
        let broken = || Refusal::Failed(format!("{host} broke the connection off."));
        let mut upstream = self.upstream.lock().await;
        let mut request = request;
        if let Some(mut sender) = upstream.take()
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => {
                    *upstream = Some(sender);
                    return Ok(response);
                }
                Err(mut error) => request = error.take_message().ok_or_else(broken)?,
            }
        }
        let mut sender = self.connect(permit).await?;
        let response = sender.send_request(request).await.map_err(|_| broken())?;
        *upstream = Some(sender);
        Ok(response)
    }

    async fn connect(&self, permit: &Permit) -> Result<client::SendRequest<Body>, Refusal> {
        let Inspected { host, port, .. } = &self.inspected;
        let stream = dial(&self.service.way, host, *port, permit.addresses)
            .await
            .map_err(|error| unreachable(host, &error))?;
        let stream = self.agree(stream).await?;
        let (sender, connection) = client::handshake(TokioIo::new(Batched::new(stream)))
            .await
            .map_err(|_| Refusal::Failed(format!("{host} broke the connection off.")))?;
        // It ends when nobody can send on it any more and the last answer has been read.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn agree(&self, stream: TcpStream) -> Result<TlsStream<BufReader<TcpStream>>, Refusal> {
        let host = &self.inspected.host;
        let name = ServerName::try_from(host.clone())
            .map_err(|_| malformed("Its host cannot stand in a certificate."))?;
        let connector = TlsConnector::from(Arc::clone(&self.service.inspection.trust.config));
        let stream = BufReader::with_capacity(READ_BYTES, stream);
        match timeout(CONNECT_TIME, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Refusal::Failed(format!(
                "{host} does not prove that it is {host}, or speaks no TLS: {error}."
            ))),
            Err(_) => Err(Refusal::Failed(format!("{host} does not agree on TLS."))),
        }
    }
}

/// A request inside a connection for one host has to be for that host, in one reading only.
fn has_one_meaning(head: &Parts, host: &str, port: u16) -> Result<(), Refusal> {
    if head.method == Method::CONNECT || head.uri.authority().is_some() {
        return Err(malformed(
            "Inside TLS a request names its path, and its host in the Host header.",
        ));
    }
    let mut named = head.headers.get_all(HOST).iter();
    let (Some(name), None) = (named.next(), named.next()) else {
        return Err(malformed("A request needs exactly one Host header."));
    };
    let name = name
        .to_str()
        .ok()
        .and_then(|name| name.parse::<HostAndPort>().ok());
    let is_the_same = name.is_some_and(|name| {
        !name.as_str().contains('@')
            && normal(name.host()) == host
            && name.port_u16().unwrap_or(TLS_PORT) == port
    });
    if !is_the_same {
        return Err(Refusal::Denied(
            Rule::HostMismatch,
            format!("The connection is for {host}, and the request inside names another host."),
        ));
    }
    if head.headers.contains_key(UPGRADE) {
        return Err(Refusal::Denied(
            Rule::Upgrade,
            format!("{host} is inspected; nothing but HTTP requests can be sent to it."),
        ));
    }
    Ok(())
}

/// Asks for an answer in which the credential can be found, should the host repeat it: whole, and not compressed.
fn can_be_looked_through(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
}

fn malformed(sentence: &str) -> Refusal {
    Refusal::Denied(Rule::Malformed, sentence.to_owned())
}

/// The host as it stands in a Host header.
fn with_port(host: &str, port: u16) -> String {
    if port == TLS_PORT {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}
