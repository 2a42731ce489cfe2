//! Whether a server works where the settings say, and what it says of itself: its workers are seen from inside alone.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::config::Config;

/// How long the server may take to say how it is.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What `/readyz` says. That no server runs is no trouble.
pub(super) async fn finding(config: &Config) -> Result<String, String> {
    let address = reached_at(config.listen);
    if address.port() == 0 {
        return Ok("not looked for: its port is chosen when it starts".to_owned());
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWERS_WITHIN)
        .build()
        .map_err(|error| error.to_string())?;
    let asked = client.get(format!("http://{address}/readyz")).send();
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Ok(format!("none runs at {address}")),
        Err(_) => {
            return Err(format!(
                "what runs at {address} does not say how it is. Look at its log, and start it again."
            ));
        }
    };
    let status = answer.status().as_u16();
    let told = answer.text().await.unwrap_or_default();
    let first = told.lines().next().unwrap_or_default();
    match status {
        200 => Ok(format!("the one at {address} is {first}")),
        503 => Err(format!(
            "the one at {address} cannot work now: {first}. Look at its log."
        )),
        _ => Err(format!(
            "something else answers at {address}. Set DECKHAND_LISTEN to an address of its own."
        )),
    }
}

/// A server that listens everywhere is reached here.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
