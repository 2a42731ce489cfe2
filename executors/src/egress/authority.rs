//! A certificate authority of one run's own: it lets the proxy end the TLS of hosts that are inspected, and nobody but
//! that run's sandbox trusts it.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};

use super::{EgressError, ciphers::provider};

/// The authority's own certificate, in the folder that the sandbox sees.
pub const AUTHORITY_NAME: &str = "authority.pem";
/// It together with everything that the host trusts, for clients that want one list.
pub const ROOTS_NAME: &str = "roots.pem";
/// Added to the name of a run's folder: the file beside it, which no sandbox sees.
const KEY_SUFFIX: &str = ".authority";
/// How long an authority is good for. A run that waits for a person may wait for days.
const LIFE: Duration = Duration::from_hours(14 * 24);
/// One that has less left is made anew when a run is taken up.
const MIN_LEFT: Duration = Duration::from_hours(7 * 24);
/// The clocks of a sandbox and of its host are the same one; this is for clients that round.
const LEEWAY: Duration = Duration::from_hours(1);
/// Hosts whose certificates are kept. A policy has few, and a certificate costs less than a millisecond.
const MAX_HOSTS: usize = 256;
/// The longest name that a certificate's subject can hold, in bytes. Source: RFC 5280, A.1, `ub-common-name`.
const MAX_COMMON_NAME_BYTES: usize = 64;
/// The largest file of an authority that is read, in bytes.
const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;
const KEY_FILE_MODE: u32 = 0o600;
const PUBLIC_FILE_MODE: u32 = 0o644;
/// Characters of one line of a certificate as text. Source: RFC 7468, 2.
const PEM_LINE_CHARACTERS: usize = 64;
/// The one protocol that is spoken inside: what cannot be decided request by request is not offered.
const PROTOCOL: &[u8] = b"http/1.1";

/// One run's authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// All hosts' certificates have one key: making one each would cost more and protect nothing, because the same
    /// process holds them all.
    host_key: KeyPair,
    hosts: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    /// The authority of the run with this folder, made when there is none.
    ///
    /// Its key is kept beside the folder, not in it, and is read by nobody but this user. It has to outlive a restart
    /// of this program: a sandbox goes on meanwhile, and what its programs loaded at their start has to stay true. The
    /// key is worth nothing elsewhere: only this one sandbox trusts it, and that has no way but this proxy.
    pub fn keep(run_dir: &Path) -> Result<Self, EgressError> {
        let path = key_path(run_dir);
        let fail =
            |error: io::Error| EgressError::Authority(format!("{}: {error}", path.display()));
        if let Some(kept) = read(&path).map_err(fail)? {
            return Ok(kept);
        }
        let made = Self::make()?;
        made.write(&path).map_err(fail)?;
        Ok(made)
    }

    fn make() -> Result<Self, EgressError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
        let parameters = parameters_of_authority();
        let certificate = parameters.self_signed(&key).map_err(unusable)?;
        let certificate = certificate.der().clone();
        Self::of(key, certificate)
    }

    fn of(key: KeyPair, certificate: CertificateDer<'static>) -> Result<Self, EgressError> {
        Ok(Self {
            issuer: Issuer::new(parameters_of_authority(), key),
            certificate,
            host_key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?,
            hosts: Mutex::default(),
        })
    }

    /// Writes the key, in one step.
    fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_added_extension("new");
        remove(&new)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(KEY_FILE_MODE)
            .open(&new)?;
        let key = self.issuer.key().serialized_der();
        file.write_all(pem("PRIVATE KEY", key).as_bytes())?;
        file.write_all(pem("CERTIFICATE", &self.certificate).as_bytes())?;
        drop(file);
        fs::rename(new, path)
    }

    /// Writes what a sandbox has to trust into the folder that it sees: the authority, and the authority in front of
    /// `roots`, which is a list as [`list_of`] makes it.
    pub fn publish(&self, run_dir: &Path, roots: &str) -> Result<(), EgressError> {
        let own = pem("CERTIFICATE", &self.certificate);
        let all = [own.as_str(), roots].concat();
        for (name, text) in [(AUTHORITY_NAME, own), (ROOTS_NAME, all)] {
            let path = run_dir.join(name);
            let new = path.with_added_extension("new");
            let write = || {
                fs::write(&new, &text)?;
                fs::set_permissions(&new, Permissions::from_mode(PUBLIC_FILE_MODE))?;
                fs::rename(&new, &path)
            };
            write()
                .map_err(|error| EgressError::Authority(format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// How the proxy speaks TLS in this host's name.
    pub fn server(&self, host: &str) -> Result<Arc<ServerConfig>, EgressError> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = hosts.get(host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make_server(host)?);
        if hosts.len() >= MAX_HOSTS {
            hosts.clear();
        }
        hosts.insert(host.to_owned(), Arc::clone(&config));
        Ok(config)
    }

    fn make_server(&self, host: &str) -> Result<ServerConfig, EgressError> {
        let mut parameters = CertificateParams::new([host.to_owned()]).map_err(unusable)?;
        parameters.distinguished_name = DistinguishedName::new();
        if host.len() <= MAX_COMMON_NAME_BYTES {
            parameters.distinguished_name.push(DnType::CommonName, host);
        }
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        set_life(&mut parameters);
        let certificate = parameters
            .signed_by(&self.host_key, &self.issuer)
            .map_err(unusable)?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivatePkcs8KeyDer::from(self.host_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
            .map_err(unusable)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Both ends are on this machine.
        config.ignore_client_order = true;
        Ok(config)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Certificates as the text that clients read.
pub fn list_of(certificates: &[CertificateDer<'_>]) -> String {
    certificates
        .iter()
        .map(|certificate| pem("CERTIFICATE", certificate))
        .collect()
}

/// Takes away everything of a run's way out: its folder, and the authority beside it.
pub fn remove_run(run_dir: &Path) -> io::Result<()> {
    remove(&key_path(run_dir))?;
    match fs::remove_dir_all(run_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn key_path(run_dir: &Path) -> PathBuf {
    let mut path = run_dir.as_os_str().to_owned();
    path.push(KEY_SUFFIX);
    path.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The authority that is kept there. One that cannot be read, or is nearly over, is as good as none.
fn read(path: &Path) -> io::Result<Option<Authority>> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let age = about.modified()?.elapsed().unwrap_or_default();
    if about.len() > MAX_KEY_FILE_BYTES || age + MIN_LEFT > LIFE {
        return Ok(None);
    }
    let text = fs::read(path)?;
    let (Ok(key), Ok(certificate)) = (
        PrivatePkcs8KeyDer::from_pem_slice(&text),
        CertificateDer::from_pem_slice(&text),
    ) else {
        return Ok(None);
    };
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256);
    Ok(key
        .ok()
        .and_then(|key| Authority::of(key, certificate.into_owned()).ok()))
}

fn parameters_of_authority() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "Deckhand, for this run only");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    // Addresses in figures are never reached, so nothing may stand in for one. Names cannot be listed here: people
    // widen a policy while the run goes on.
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    });
    set_life(&mut parameters);
    parameters
}

fn set_life(parameters: &mut CertificateParams) {
    let now = SystemTime::now();
    parameters.not_before = (now - LEEWAY).into();
    parameters.not_after = (now + LIFE).into();
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (position, character) in encoded.chars().enumerate() {
        if position > 0 && position % PEM_LINE_CHARACTERS == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    [text.as_str(), "\n-----END ", label, "-----\n"].concat()
}

fn unusable(error: impl fmt::Display) -> EgressError {
    EgressError::Authority(error.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use rustls::{RootCertStore, client::WebPkiServerVerifier};

    use super::*;

    /// Whether who trusts `authority` takes `server` for `host`.
    fn trusts(authority: &Authority, server: &ServerConfig, host: &str) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        let name = host.to_owned().try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(server.clone())).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            if server.process_new_packets().is_err() {
                return false;
            }
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                if client.process_new_packets().is_err() {
                    return false;
                }
            }
        }
        true
    }

    #[test]
    fn a_host_is_vouched_for_by_this_run_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let one = Authority::keep(&folder.path().join("one")).unwrap();
        let two = Authority::keep(&folder.path().join("two")).unwrap();
        let server = one.server("packages.example").unwrap();
        assert!(trusts(&one, &server, "packages.example"));
        assert!(!trusts(&one, &server, "other.example"));
        assert!(!trusts(&two, &server, "packages.example"));
        let long = format!("{}.example", ["a".repeat(60), "b".repeat(60)].join("."));
        assert!(trusts(&one, &one.server(&long).unwrap(), &long));
    }

    #[test]
    fn a_run_that_is_taken_up_again_keeps_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let before = Authority::keep(&run).unwrap();
        let after = Authority::keep(&run).unwrap();
        assert_eq!(before.certificate, after.certificate);
        let server = after.server("packages.example").unwrap();
        assert!(trusts(&before, &server, "packages.example"));
    }

    #[test]
    fn the_key_is_beside_the_folder_that_the_sandbox_sees_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        let authority = Authority::keep(&run).unwrap();
        let root = Authority::make().unwrap().certificate;
        authority.publish(&run, &list_of(&[root])).unwrap();
        for (name, certificates) in [(AUTHORITY_NAME, 1), (ROOTS_NAME, 2)] {
            let text = fs::read_to_string(run.join(name)).unwrap();
            assert!(!text.contains("PRIVATE"), "{text}");
            assert_eq!(
                CertificateDer::pem_slice_iter(text.as_bytes()).count(),
                certificates
            );
        }
        assert_eq!(fs::read_dir(&run).unwrap().count(), 2);
        let kept = folder.path().join("run.authority");
        assert_eq!(
            fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
            0o600
        );
        remove_run(&run).unwrap();
        remove_run(&run).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_or_old_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let path = key_path(&run);
        let first = Authority::keep(&run).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - LIFE + MIN_LEFT / 2)
            .unwrap();
        let second = Authority::keep(&run).unwrap();
        assert_ne!(first.certificate, second.certificate);
        for damage in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            fs::write(&path, damage).unwrap();
            let third = Authority::keep(&run).unwrap();
            assert_ne!(second.certificate, third.certificate);
        }
    }

    #[test]
    fn certificates_are_kept_and_their_number_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::keep(&folder.path().join("run")).unwrap();
        let first = authority.server("h.example").unwrap();
        assert!(Arc::ptr_eq(&first, &authority.server("h.example").unwrap()));
        for number in 0..MAX_HOSTS {
            authority.server(&format!("h{number}.example")).unwrap();
        }
        assert!(authority.hosts.lock().unwrap().len() <= MAX_HOSTS);
    }
}
