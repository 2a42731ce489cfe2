//! The hosts of the house: what each of them answers.

use super::*;

#[derive(Clone)]
pub(super) struct Hosts {
    pub(super) seen: Arc<Mutex<Vec<SeenRequest>>>,
    pub(super) hanging: Arc<AtomicUsize>,
    pub(super) repositories: std::path::PathBuf,
}

impl Hosts {
    pub(super) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| {
            let hosts = self.clone();
            async move { Ok::<_, Infallible>(hosts.answer(request).await) }
        });
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let (head, mut body) = request.into_parts();
        let mut bytes = Vec::new();
        let mut length = 0;
        let is_long = head.uri.path() == "/up";
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.into_data().unwrap_or_default();
            length += data.len() as u64;
            if !is_long {
                bytes.extend_from_slice(&data);
            }
        }
        let headers: BTreeMap<String, String> = head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let seen = SeenRequest {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers,
            body: length,
        };
        self.seen.lock().unwrap().push(seen.clone());
        let path = head.uri.path().to_owned();
        if path == "/mcp" {
            return mcp::answer(&head, &bytes);
        }
        if path.contains(".git/") {
            return self.git(&head, bytes).await;
        }
        match path.as_str() {
            "/up" => text(format!("{length} bytes came\n")),
            "/down" => down(head.uri.query().unwrap_or("0").parse().unwrap()),
            "/hang" => {
                let hanging = Hanging::begin(&self.hanging);
                let begun = stream::iter([Ok(Frame::data(Bytes::from("begun\n")))]);
                let end = stream::pending().map(move |frame| {
                    let _held = &hanging;
                    frame
                });
                Response::new(StreamBody::new(begun.chain(end)).boxed_unsync())
            }
            "/redirect" => {
                let mut response = text(String::new());
                *response.status_mut() = hyper::StatusCode::FOUND;
                let place = "https://evil.example/taken".parse().unwrap();
                response.headers_mut().insert("location", place);
                response
            }
            "/compressed" => {
                let mut response = text("no".into());
                let gzip = "gzip".parse().unwrap();
                response.headers_mut().insert("content-encoding", gzip);
                response
            }
            // Repeats what it was sent, in a header too, in small pieces.
            _ => echo(&seen, &bytes),
        }
    }

    async fn git(&self, head: &hyper::http::request::Parts, body: Vec<u8>) -> Response<Body> {
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.repositories)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", head.uri.path())
            .env("QUERY_STRING", head.uri.query().unwrap_or_default())
            .env("REQUEST_METHOD", head.method.as_str())
            .env("CONTENT_LENGTH", body.len().to_string());
        let variables = [
            ("content-type", "CONTENT_TYPE"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ];
        for (name, variable) in variables {
            if let Some(value) = head.headers.get(name) {
                command.env(variable, value.to_str().unwrap());
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&body).await.unwrap();
        drop(input);
        let output = child.wait_with_output().await.unwrap().stdout;
        let end = output
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let mut response = Response::new(whole(output[end + 4..].to_vec().into()));
        for line in String::from_utf8_lossy(&output[..end]).lines() {
            let (name, value) = line.split_once(": ").unwrap();
            if name == "Status" {
                *response.status_mut() = value[..3].parse().unwrap();
            } else {
                let name = HeaderName::try_from(name).unwrap();
                response.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        response
    }
}

/// An answer without an end, counted until it is dropped.
struct Hanging(Arc<AtomicUsize>);

impl Hanging {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}

fn text(text: String) -> Response<Body> {
    Response::new(whole(text.into()))
}

fn down(bytes: usize) -> Response<Body> {
    let pieces = bytes / PIECE_BYTES;
    let piece = Bytes::from(vec![b'x'; PIECE_BYTES]);
    let frames = stream::iter((0..pieces).map(move |_| Ok(Frame::data(piece.clone()))));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

fn echo(seen: &SeenRequest, body: &[u8]) -> Response<Body> {
    let mut said = format!("{} {}\n", seen.method, seen.target);
    for (name, value) in &seen.headers {
        said.push_str(&[name, ": ", value, "\n"].concat());
    }
    said.push_str(&["body: ", &String::from_utf8_lossy(body), "\n"].concat());
    let length = said.len();
    let pieces: Vec<_> = said
        .into_bytes()
        .chunks(7)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let mut response = Response::new(StreamBody::new(stream::iter(pieces)).boxed_unsync());
    response
        .headers_mut()
        .insert("content-length", length.into());
    let cookie = "session=begun".parse().unwrap();
    response.headers_mut().insert("set-cookie", cookie);
    for name in ["authorization", "private-token"] {
        if let Some(value) = seen.headers.get(name) {
            let repeated = HeaderName::try_from(format!("x-seen-{name}")).unwrap();
            response
                .headers_mut()
                .insert(repeated, value.parse().unwrap());
        }
    }
    response
}
