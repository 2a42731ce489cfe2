//! Programs that know no proxy, and programs that do, in a real sandbox: curl, git, Node.js and Python against hosts whose
//! TLS the proxy opens, passes on, or refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ground;
mod house;

use deckhand_executors::{
    Executor as _,
    agent::sandbox_environment,
    egress::{Credential, CredentialForm, Rule, Verdict},
    sandbox::{Access, ExecOutput, Mount, MountSource},
};
use ground::{Ground, SHIM};
use house::{House, PATIENCE, Run, read_until};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

const TOKEN: &str = "ghs_RealTokenOfTheHouse0123456789";
/// Takes away what tells programs of the proxy; what to trust stays.
const ALONE: &str = "unset HTTP_PROXY HTTPS_PROXY http_proxy https_proxy;";

fn credential() -> Vec<Credential> {
    let form = CredentialForm::Basic { user: "x".into() };
    vec![Credential::new("house", &form, &TOKEN.into()).unwrap()]
}

fn way_out(house: &House) -> Run {
    let rules = json!([
        {"hosts": ["packages.example"], "methods": ["GET", "HEAD", "POST"], "ports": [443, 80]},
        {"hosts": ["tunnel.example"], "tls": "tunnel"},
        {"hosts": ["git.example"], "paths": ["/acme/web.git/"], "git": "read", "credential": "house"},
    ]);
    house.run(&rules, credential())
}

/// A sandbox with a way out into a house.
struct Scene {
    house: House,
    run: Run,
    ground: Ground,
}

impl Scene {
    async fn set() -> Self {
        let (house, ground) = (House::open().await, Ground::new().await);
        let run = way_out(&house);
        let mut spec = ground.spec("exit 1");
        spec.command = [SHIM, "run", "--", "sleep", "600"]
            .map(str::to_owned)
            .to_vec();
        spec.environment = sandbox_environment();
        spec.mounts.push(Mount {
            source: MountSource::Host(run.path()),
            target: "/run/deckhand".into(),
            access: Access::ReadOnly,
        });
        ground.executor.start(&spec).await.unwrap();
        // The shim opens its doors before it starts the program.
        ground
            .shell("until pgrep -x sleep >/dev/null; do :; done")
            .await;
        Self { house, run, ground }
    }

    async fn fails(&self, line: &str) -> String {
        let done: ExecOutput = self.ground.exec(line).await;
        let said = [done.output, done.errors].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_ne!(done.status, Some(0), "{line}: {said}");
        said
    }
}

const NODE: &str = "node -e 'fetch(process.argv[1]).then(async answer => console.log(answer.status, await answer.text()), \
     error => { console.error(error.cause ?? error); process.exitCode = 1 })'";
const PYTHON: &str = "python3 -c '
import socket, ssl, sys
host = sys.argv[1]
plain = socket.create_connection((host, 443), timeout=10)
stream = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
stream.sendall(b\"GET /python HTTP/1.1\\r\\nhost: \" + host.encode() + b\"\\r\\nconnection: close\\r\\n\\r\\n\")
said = b\"\"
while piece := stream.recv(4096): said += piece
print(said.decode())'";

#[tokio::test]
async fn programs_that_know_no_proxy_reach_what_is_allowed() {
    let mut scene = Scene::set().await;
    let urllib = "python3 -c 'import urllib.request as u; print(u.urlopen(\"https://packages.example/urllib\").read())'";
    for (program, line, path) in [
        (
            "curl",
            "curl -sS --noproxy '*' https://packages.example/curl".to_owned(),
            "/curl",
        ),
        (
            "node",
            format!("{ALONE} {NODE} https://packages.example/node"),
            "/node",
        ),
        (
            "node",
            format!("{NODE} https://packages.example/variables"),
            "/variables",
        ),
        (
            "python3",
            format!("{ALONE} {PYTHON} packages.example"),
            "/python",
        ),
        ("python3", format!("{ALONE} {urllib}"), "/urllib"),
        ("python3", urllib.to_owned(), "/urllib"),
        (
            "curl",
            format!("{ALONE} curl -sS http://packages.example/plain"),
            "/plain",
        ),
    ] {
        let said = scene.ground.shell(&line).await;
        assert!(said.contains(&format!("GET {path}")), "{line}: {said}");
        let record = scene.run.record_of(path).await;
        assert_eq!(record.verdict, Verdict::Allowed, "{line}");
        let client = record.client.expect("who asked");
        assert!(client.starts_with(program), "{line}: {client}");
    }
    // Through a tunnel the proxy sees no path, and the host's own certificate is not the run's.
    let refused = scene
        .fails("curl -sS --noproxy '*' https://tunnel.example/")
        .await;
    assert!(
        refused.contains("unable to get local issuer") || refused.contains("self-signed"),
        "{refused}"
    );
    let said = scene
        .ground
        .shell("curl -sSk --noproxy '*' https://tunnel.example/unseen")
        .await;
    assert!(said.contains("GET /unseen"), "{said}");
}

#[tokio::test]
async fn what_is_not_allowed_fails_at_once_and_says_why() {
    let mut scene = Scene::set().await;
    for (line, reason) in [
        (
            "curl -sS --noproxy '*' https://evil.example/".to_owned(),
            "access denied",
        ),
        (
            format!("{ALONE} {NODE} https://evil.example/"),
            "ACCESS_DENIED",
        ),
        (format!("{ALONE} {PYTHON} evil.example"), "ACCESS_DENIED"),
        (format!("{ALONE} curl -sSf http://evil.example/"), "403"),
        // By the proxy, curl prints the status alone.
        ("curl -sS https://evil.example/".to_owned(), "403"),
    ] {
        let said = scene.fails(&line).await;
        assert!(
            said.to_lowercase().contains(&reason.to_lowercase()),
            "{line}: {said}"
        );
        let refused = timeout(PATIENCE, scene.run.refused.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (refused.host.as_str(), refused.rule),
            ("evil.example", Rule::NotListed),
            "{line}"
        );
        assert!(refused.client.is_some(), "{line}");
    }
    // Other ports, other addresses, other families.
    for line in [
        "curl -sS --noproxy '*' https://packages.example:8443/",
        "curl -sSk --noproxy '*' https://127.0.0.1/",
        "curl -sS --noproxy '*' -6 https://packages.example/",
        "curl -sS --noproxy '*' https://93.184.216.34/",
        "curl -sSk --noproxy '*' --http2-prior-knowledge http://packages.example/",
    ] {
        scene.fails(line).await;
    }
    assert_eq!(scene.house.seen(), []);
}

#[tokio::test]
async fn git_reads_with_a_credential_that_it_never_has_and_cannot_push() {
    let scene = Scene::set().await;
    scene.house.plant_repository().await;
    let address = "https://git.example/acme/web.git";
    for (number, environment) in ["", ALONE].iter().enumerate() {
        let clone = format!(
            "{environment} git clone -q {address} /work/clone{number} && git -C /work/clone{number} log --format=%s"
        );
        assert_eq!(scene.ground.shell(&clone).await, "Begin\n");
    }
    let seen = scene.house.seen();
    assert!(!seen.is_empty());
    for seen in &seen {
        assert!(
            seen.headers["authorization"].starts_with("Basic "),
            "{seen:?}"
        );
    }
    let push = "cd /work/clone0 && git commit -q --allow-empty -m More && git push origin HEAD:refs/heads/other";
    let said = scene.fails(push).await;
    assert!(said.contains("403"), "{said}");
    let elsewhere = scene
        .fails("git clone https://git.example/acme/other.git /work/other")
        .await;
    assert!(elsewhere.contains("403"), "{elsewhere}");
    for seen in &scene.house.seen()[seen.len()..] {
        assert!(
            !seen.target.contains("receive-pack") && seen.method != "POST",
            "{seen:?}"
        );
    }
    let found = scene.ground.shell("{ cat /proc/*/environ; cat /work/clone0/.git/config; env; } 2>/dev/null | tr '\\0' '\\n'").await;
    assert!(!found.contains(TOKEN), "{found}");
}

#[tokio::test]
async fn names_lead_nowhere_but_to_the_proxy() {
    let scene = Scene::set().await;
    let script = "python3 -c '
import socket
for family, name in ((socket.AF_INET, \"one\"), (socket.AF_INET6, \"six\")):
    try: print(name, sorted({a[4][0] for a in socket.getaddrinfo(\"any.thing.example\", 443, family)}))
    except OSError as error: print(name, \"none\")
'";
    let said = scene.ground.shell(script).await;
    assert_eq!(said, "one ['127.0.0.1']\nsix none\n");
    // The way out holds nothing but sockets and what is public, and nothing in it can be changed.
    let listed = scene.ground.shell("ls /run/deckhand; grep -l PRIVATE /run/deckhand/*.pem; touch /run/deckhand/x 2>/dev/null && echo written; true").await;
    assert_eq!(
        listed,
        "authority.pem\negress.sock\nroots.pem\ntransparent.sock\n"
    );
}

#[tokio::test]
async fn the_first_bytes_decide_where_a_connection_goes() {
    let house = House::open().await;
    let mut run = way_out(&house);
    // Without a name, with an address for one, and with noise.
    for host in ["93.184.216.34", "169.254.169.254"] {
        let error = run.connect_directly(host).await.unwrap_err();
        assert!(error.to_string().contains("AccessDenied"), "{error}");
        let record = run.record().await;
        assert_eq!(
            (record.verdict, record.rule),
            (Verdict::Denied, Rule::ServerName)
        );
        assert_eq!(record.client.as_deref(), Some("tester --now"));
    }
    let mut stream = UnixStream::connect(run.path().join("transparent.sock"))
        .await
        .unwrap();
    stream
        .write_all(&[22, 3, 1, 0, 5, 1, 2, 3, 4, 5])
        .await
        .unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, [21, 3, 3, 0, 2, 2, 49]);
    assert_eq!(run.record().await.rule, Rule::ServerName);
}

#[tokio::test]
async fn plain_requests_name_their_host_and_reach_no_model() {
    let house = House::open().await;
    let run = way_out(&house);
    // Plain HTTP, of which each request names its host; the models are not to be had here.
    for (request, status, rule) in [
        (
            "GET /p HTTP/1.1\r\nhost: packages.example\r\n",
            200,
            "GET /p",
        ),
        (
            "GET /p HTTP/1.1\r\nhost: evil.example\r\n",
            403,
            "rule=not-listed",
        ),
        (
            "GET /p HTTP/1.1\r\nhost: 169.254.169.254\r\n",
            403,
            "rule=address-literal",
        ),
        (
            "GET /anthropic/v1/models HTTP/1.1\r\nx: y\r\n",
            400,
            "rule=malformed",
        ),
        (
            "GET http://evil.example/p HTTP/1.1\r\nhost: packages.example\r\n",
            400,
            "rule=malformed",
        ),
        (
            "CONNECT packages.example:443 HTTP/1.1\r\nhost: packages.example\r\n",
            400,
            "rule=malformed",
        ),
    ] {
        let mut stream = UnixStream::connect(run.path().join("transparent.sock"))
            .await
            .unwrap();
        let whole = format!("{request}connection: close\r\n\r\n");
        stream.write_all(whole.as_bytes()).await.unwrap();
        let answer = house::read_all(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {answer}"
        );
        assert!(answer.contains(rule), "{request}: {answer}");
    }
    let targets: Vec<String> = house.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/p"]);
}

#[tokio::test]
async fn a_revocation_cuts_what_is_open_and_refuses_what_comes() {
    let house = House::open().await;
    let run = way_out(&house);
    let mut open = run.connect_directly("packages.example").await.unwrap();
    open.write_all(b"GET /before HTTP/1.1\r\nhost: packages.example\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut open, "200 OK").await;
    run.handle.revoke();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, open.read_to_end(&mut rest))
        .await
        .expect("the cut");
    let error = run.connect_directly("packages.example").await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
}
