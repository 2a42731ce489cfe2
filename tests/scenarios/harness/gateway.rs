//! The house's own proxy on the way to the internet: it leads to the world of the story, and answers for hosts that no
//! story has.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// What every host beyond the gateway answers.
pub const ANSWER: &str = "beyond-the-gateway";

/// The command that asks for a host until it answers, at most a minute.
pub fn ask_until(host: &str) -> String {
    format!(
        "for n in $(seq 60); do curl -s -m 5 http://{host}/left-pad | grep {ANSWER} && break; sleep 1; done"
    )
}

/// A proxy that knows CONNECT alone. It ends when it is dropped.
pub struct Gateway {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Gateway {
    /// Opens it on a free port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, said) = (Arc::clone(&asked), Arc::clone(&heads));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lead(stream, Arc::clone(&seen), Arc::clone(&said)));
            }
        });
        Self {
            address,
            asked,
            heads,
            serving: serving.abort_handle(),
        }
    }

    /// Its address, for the settings.
    pub fn url(&self) -> String {
        self.address.clone()
    }

    /// The heads of requests that hosts beyond it got in the clear, oldest first.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How often a host beyond it was asked for something.
    pub fn asked_for(&self, host: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|target| target.starts_with(host))
            .count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn lead(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let head = head(&mut stream).await?;
    let Some(target) = head.split_whitespace().nth(1).map(str::to_owned) else {
        return Ok(());
    };
    if target.starts_with("127.0.0.1:") {
        let mut inside = TcpStream::connect(&target).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        copy_bidirectional(&mut stream, &mut inside).await?;
        return Ok(());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    asked.lock().unwrap().push(target);
    let said = self::head(&mut stream).await?;
    let length = said
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    heads.lock().unwrap().push(said);
    tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    stream.write_all(answer.as_bytes()).await
}

/// Everything up to the first empty line.
async fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16_384 {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
