//! What lies outside the installation in these stories: the house's proxy, the one host that may be read, and the
//! suite's internet, which keeps whatever else arrives.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{internet::Internet, suite::Canary};

/// The host of documentation that the policy lets the agent read, below [`READABLE`].
pub const LIBRARY: &str = "docs.example";
/// The beginning of the paths that may be read there.
pub const READABLE: &str = "/guide/";
/// The longest head of a request that is read, in bytes.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// A page of the library.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Further lines of its head.
    pub head: String,
    /// What it says.
    pub body: String,
}

/// Pages by their paths; they come to be known only once the stage stands.
pub type Pages = Arc<Mutex<BTreeMap<String, Page>>>;

/// The outside; it ends when this is dropped.
pub struct Outside {
    pub internet: Internet,
    /// The address of the house's proxy.
    pub proxy: String,
    /// The library's pages.
    pub pages: Pages,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Outside {
    /// Opens it.
    pub async fn open() -> anyhow::Result<Self> {
        let internet = Internet::start().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = format!("http://{}", listener.local_addr()?);
        let pages = Pages::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let further = internet.proxy.trim_start_matches("http://").to_owned();
        let (library, book) = (Arc::clone(&pages), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (library, book) = (Arc::clone(&library), Arc::clone(&book));
                tokio::spawn(lead(stream, further.clone(), library, book));
            }
        });
        Ok(Self {
            internet,
            proxy,
            pages,
            asked,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Where a canary arrived.
    pub fn heard(&self, canary: &Canary) -> Option<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let at_library = asked.iter().find(|head| head.contains(canary.as_str()));
        match at_library {
            Some(head) => Some(format!(
                "{LIBRARY}: {}",
                head.lines().next().unwrap_or_default()
            )),
            None => self
                .internet
                .arrivals
                .of(canary, &[])
                .map(|arrival| arrival.at),
        }
    }
}

/// Leads a connection to where it wants: into the world of the story, to the library, or further out.
async fn lead(
    mut stream: TcpStream,
    further: String,
    pages: Pages,
    asked: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    const LET_THROUGH: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
    let first = head(&mut stream).await?;
    let target = first.split_whitespace().nth(1).unwrap_or_default();
    if first.starts_with("CONNECT 127.0.0.1:") {
        let mut inside = TcpStream::connect(target).await?;
        stream.write_all(LET_THROUGH).await?;
        copy_bidirectional(&mut stream, &mut inside).await?;
        return Ok(());
    }
    if first.starts_with(&format!("CONNECT {LIBRARY}:")) {
        stream.write_all(LET_THROUGH).await?;
        let request = head(&mut stream).await?;
        let path = request.split_whitespace().nth(1).unwrap_or_default();
        let page = {
            let pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.get(path).cloned().unwrap_or_default()
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n{}\r\n{}",
            page.body.len(),
            page.head,
            page.body
        );
        asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        return stream.write_all(answer.as_bytes()).await;
    }
    let mut outside = TcpStream::connect(further).await?;
    outside.write_all(first.as_bytes()).await?;
    copy_bidirectional(&mut stream, &mut outside).await?;
    Ok(())
}

/// Everything up to the first empty line.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX_BYTES {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
