//! Tunnels: whom they lead to, and how long.

use super::*;

/// Opens a tunnel to a listener in the house; answers with the sandbox's end.
async fn tunnel(run: &Run, port: u16) -> UnixStream {
    let mut stream = run.connect().await;
    stream
        .write_all(
            format!("CONNECT localhost:{port} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n")
                .as_bytes(),
        )
        .await
        .unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

#[tokio::test]
async fn a_tunnel_carries_tls_for_its_own_host_both_ways() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = Run::listing("localhost", port, "house");
    let mut inside = tunnel(&run, port).await;
    let hello = client_hello("localhost");
    // In two parts, as a slow client would.
    inside.write_all(&hello[..20]).await.unwrap();
    let mut outside = accept(&listener).await;
    inside.write_all(&hello[20..]).await.unwrap();
    let mut seen = vec![0; hello.len()];
    timeout(PATIENCE, outside.read_exact(&mut seen))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen, hello);
    outside.write_all(b"certificate").await.unwrap();
    drop(outside);
    assert_eq!(read_all(&mut inside).await, "certificate");
    drop(inside);
    let record = run.record().await;
    assert_eq!(
        (record.verdict, record.bytes_up, record.bytes_down),
        (Verdict::Allowed, hello.len() as u64, 11)
    );
    assert_eq!(record.rule, Rule::Listed(format!("localhost:{port}")));
}

async fn accept(listener: &TcpListener) -> TcpStream {
    timeout(PATIENCE, listener.accept())
        .await
        .expect("a connection")
        .unwrap()
        .0
}

#[tokio::test]
async fn a_tunnel_for_one_host_that_speaks_to_another_is_cut() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = Run::listing("localhost", port, "house");
    for greeting in [
        client_hello("evil.example"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let mut inside = tunnel(&run, port).await;
        let mut outside = accept(&listener).await;
        inside.write_all(&greeting).await.unwrap();
        let mut seen = Vec::new();
        timeout(PATIENCE, outside.read_to_end(&mut seen))
            .await
            .expect("the cut")
            .unwrap();
        assert_eq!(seen, b"", "nothing reaches the host");
        let record = run.record().await;
        assert_eq!(
            (record.verdict, record.rule),
            (Verdict::Denied, Rule::ServerName)
        );
    }
}

#[tokio::test]
async fn a_tunnel_ends_with_its_phase() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = Run::listing("localhost", port, "house");
    let mut inside = tunnel(&run, port).await;
    inside.write_all(&client_hello("localhost")).await.unwrap();
    let mut outside = accept(&listener).await;
    outside.read_u8().await.unwrap();
    run.handle.set_phase(Phase::Work);
    let mut rest = Vec::new();
    timeout(PATIENCE, outside.read_to_end(&mut rest))
        .await
        .expect("the cut")
        .unwrap();
    assert_eq!(run.record().await.phase, Some(Phase::Setup));

    let answer = run
        .ask(&format!(
            "CONNECT localhost:{port} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(
        answer.contains("rule=phase") && answer.contains("work phase"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_decision_cuts_no_tunnel_that_is_there() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let run = Run::listing("localhost", port, "house");
    let mut inside = tunnel(&run, port).await;
    let hello = client_hello("localhost");
    inside.write_all(&hello).await.unwrap();
    let mut outside = accept(&listener).await;
    for (host, port) in [("other.example", 443), ("localhost", port)] {
        run.handle.grant(&Grant {
            host: host.to_owned(),
            port,
            verdict: GrantVerdict::Never,
        });
    }
    inside.write_all(b"more").await.unwrap();
    let mut seen = vec![0; hello.len() + 4];
    timeout(PATIENCE, outside.read_exact(&mut seen))
        .await
        .unwrap()
        .unwrap();
    assert!(seen.ends_with(b"more"));
}
