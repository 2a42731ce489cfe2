//! A house with hosts of its own: they speak TLS by an authority that only the house knows, and are reached by its proxy
//! under whatever name.

#![allow(dead_code, reason = "each test program uses its part")]

mod hosts;
pub mod mcp;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use deckhand_executors::egress::{
    Credential, EgressHandle, EgressPolicy, EgressProxy, EgressRecord, Opening, Phase,
    PolicyDocument, Refused, Way,
};
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, body::Frame, body::Incoming, header::HeaderName, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    process::Command,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use hosts::{Hosts, whole};

pub const PATIENCE: Duration = Duration::from_secs(20);
/// Hosts whose certificates are right. `impostor.example` answers too, with a certificate for somebody else.
const HOSTS: [&str; 4] = [
    "packages.example",
    "git.example",
    "evil.example",
    "tunnel.example",
];
/// Bytes of one piece of a long answer.
const PIECE_BYTES: usize = 64 * 1024;

/// A request as a host saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    pub method: String,
    pub target: String,
    pub headers: BTreeMap<String, String>,
    /// Bytes of its body.
    pub body: u64,
}

/// The hosts, and what they saw.
pub struct House {
    authority: CertificateDer<'static>,
    proxy: SocketAddr,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
    hanging: Arc<AtomicUsize>,
    /// Repositories for git.
    pub repositories: TempDir,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl House {
    pub async fn open() -> Self {
        let (authority, server) = certificates();
        let (tls, plain) = (listener().await, listener().await);
        let (tls_address, plain_address) = (tls.local_addr().unwrap(), plain.local_addr().unwrap());
        let house = Self {
            authority,
            proxy: proxy(tls_address, plain_address).await,
            seen: Arc::default(),
            hanging: Arc::default(),
            repositories: tempfile::tempdir().unwrap(),
        };
        let hosts = Hosts {
            seen: Arc::clone(&house.seen),
            hanging: Arc::clone(&house.hanging),
            repositories: house.repositories.path().to_owned(),
        };
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let of_tls = hosts.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                let (hosts, acceptor) = (of_tls.clone(), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        hosts.serve(stream).await;
                    }
                });
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = plain.accept().await {
                let hosts = hosts.clone();
                tokio::spawn(async move { hosts.serve(stream).await });
            }
        });
        house
    }

    /// The requests that reached a host, oldest first.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap().clone()
    }

    /// Answers without an end that are still being sent.
    pub fn hanging(&self) -> usize {
        self.hanging.load(Ordering::SeqCst)
    }

    /// A run's way out into the house.
    pub fn run(&self, rules: &Value, credentials: Vec<Credential>) -> Run {
        self.run_in(tempfile::tempdir().unwrap(), rules, credentials)
    }

    /// The same in a folder that may have held one before.
    pub fn run_in(&self, folder: TempDir, rules: &Value, credentials: Vec<Credential>) -> Run {
        Run::open(folder, &self.proxy(), policy(rules), credentials, None)
    }

    /// What the runs of this house share.
    pub fn proxy(&self) -> EgressProxy {
        let way = Way::proxy(&format!("http://{}", self.proxy)).unwrap();
        EgressProxy::trusting(way, std::slice::from_ref(&self.authority)).unwrap()
    }

    /// A bare repository that git may clone as `https://git.example/acme/web.git`.
    pub async fn plant_repository(&self) {
        let bare = self.repositories.path().join("acme/web.git");
        std::fs::create_dir_all(&bare).unwrap();
        let script = "git init -q --bare -b main . && git config http.receivepack true \
            && tree=$(git mktree </dev/null) \
            && commit=$(git -c user.name=a -c user.email=a@b.invalid commit-tree -m Begin $tree) \
            && git update-ref refs/heads/main $commit";
        let done = Command::new("sh")
            .args(["-c", script])
            .current_dir(&bare)
            .output()
            .await
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

/// A policy with these rules.
pub fn policy(rules: &Value) -> EgressPolicy {
    let text = json!({"version": 1, "default": {"rules": rules}}).to_string();
    let document = PolicyDocument::read(&text).unwrap();
    document.for_repository("acme/web", &[])
}

/// A run's way out by a proxy that other runs share, with placeholders of this seed.
pub fn seeded(proxy: &EgressProxy, seed: &str, rules: &Value, credentials: Vec<Credential>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    Run::open(folder, proxy, policy(rules), credentials, Some(seed.into()))
}

/// A run's way out, with what it wrote.
pub struct Run {
    pub folder: TempDir,
    pub handle: EgressHandle,
    pub records: mpsc::Receiver<EgressRecord>,
    pub refused: mpsc::Receiver<Refused>,
}

impl Run {
    fn open(
        folder: TempDir,
        proxy: &EgressProxy,
        policy: EgressPolicy,
        credentials: Vec<Credential>,
        seed: Option<SecretString>,
    ) -> Self {
        let (log, records) = mpsc::channel(256);
        let (refusals, refused) = mpsc::channel(64);
        let opening = Opening {
            policy,
            credentials,
            refused: refusals,
            seed,
            ..Opening::new(Phase::Work, log)
        };
        let handle = proxy.open(&folder.path().join("run"), opening).unwrap();
        Self {
            folder,
            handle,
            records,
            refused,
        }
    }

    /// The folder that a sandbox sees.
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("run")
    }

    pub async fn record(&mut self) -> EgressRecord {
        let record = timeout(PATIENCE, self.records.recv()).await;
        record.expect("a record").unwrap()
    }

    /// The next record of a request to this path.
    pub async fn record_of(&mut self, path: &str) -> EgressRecord {
        loop {
            let record = self.record().await;
            if record.path.as_deref() == Some(path) {
                return record;
            }
        }
    }

    /// A tunnel, before anything was said in it.
    pub async fn tunnel(&self, host: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.path().join("egress.sock"))
            .await
            .unwrap();
        let request = format!("CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stream
    }

    /// A connection to a host, as a client that trusts the run's authority makes it by the proxy.
    pub async fn connect(&self, host: &str) -> TlsStream<UnixStream> {
        let stream = self.tunnel(host).await;
        agree(&self.path().join("authority.pem"), host, stream)
            .await
            .unwrap()
    }

    /// The same as a program makes it that knows no proxy; fails where it is refused.
    pub async fn connect_directly(&self, host: &str) -> std::io::Result<TlsStream<UnixStream>> {
        let mut stream = UnixStream::connect(self.path().join("transparent.sock")).await?;
        stream
            .write_all(b"DECKHAND-CLIENT tester --now\r\n")
            .await?;
        agree(&self.path().join("roots.pem"), host, stream).await
    }

    /// Sends a whole request over a connection of its own, and reads until its end.
    pub async fn ask(&self, host: &str, request: &str) -> String {
        let mut stream = self.connect(host).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }
}

/// Agrees on TLS with whoever answers for this host, trusting what stands in a file.
pub async fn agree<S: AsyncRead + AsyncWrite + Unpin>(
    trusted: &Path,
    host: &str,
    stream: S,
) -> std::io::Result<TlsStream<S>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(trusted).unwrap() {
        // A machine's list may hold old ones that cannot be read.
        let _ = roots.add(certificate.unwrap());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = host.to_owned().try_into().unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

pub async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let read = read.expect("the end of the answer");
    // A cut connection ends without TLS's farewell.
    assert!(read.is_ok() || !answer.is_empty(), "{read:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

pub async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).contains(end) {
            let count = stream.read_buf(&mut answer).await.unwrap();
            assert_ne!(count, 0, "the answer ended before {end:?}");
        }
    };
    let read = timeout(PATIENCE, reading).await;
    read.unwrap_or_else(|_| panic!("no {end:?} came"));
    String::from_utf8_lossy(&answer).into_owned()
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// The house's authority, and how its hosts speak.
fn certificates() -> (CertificateDer<'static>, rustls::ServerConfig) {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let of_hosts = CertificateParams::new(HOSTS.map(str::to_owned)).unwrap();
    let certificate = of_hosts.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    (authority, server)
}

/// The house's proxy: it knows every name, and leads all of them to its own hosts.
async fn proxy(tls: SocketAddr, plain: SocketAddr) -> SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        return;
                    };
                    head.push(byte);
                }
                let address = destination(&String::from_utf8_lossy(&head), tls, plain);
                let mut host = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut host).await;
            });
        }
    });
    address
}

/// Where a connection is led: what is on this machine is what it is, by whatever way it is asked for.
fn destination(head: &str, tls: SocketAddr, plain: SocketAddr) -> SocketAddr {
    let target = head.split_whitespace().nth(1).unwrap_or_default();
    match target.parse() {
        Ok(address) => address,
        Err(_) if target.ends_with(":80") => plain,
        Err(_) => tls,
    }
}
