//! Takes a client's own credentials out of an address's query.

use hyper::{Uri, http::uri::PathAndQuery};

/// Query parameters in which hosts accept a credential. A signature that is good for one address only, as object
/// stores hand them out in redirects, is none.
const PARAMETERS: [&str; 8] = [
    "key",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "private_token",
    "auth_token",
    "oauth_token",
];

/// The path and query without credentials; nothing where that is no address any more.
pub fn without_credentials(uri: &Uri) -> Option<Uri> {
    let Some(query) = uri.query() else {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        return path.parse().ok();
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or(pair);
            !PARAMETERS.contains(&decoded(name).as_str())
        })
        .collect();
    let question = if kept.is_empty() { "" } else { "?" };
    format!("{}{question}{}", uri.path(), kept.join("&"))
        .parse()
        .ok()
}

/// A parameter's name as a server reads it, in small letters.
fn decoded(name: &str) -> String {
    let mut decoded = Vec::new();
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits: Vec<u8> = bytes.by_ref().take(2).collect();
        match hex::decode(&digits) {
            Ok(escaped) => decoded.extend(escaped),
            Err(_) => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded)
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn credentials_go_and_everything_else_stays_as_it_was() {
        let table = [
            ("/p", "/p"),
            ("/p?x=1", "/p?x=1"),
            ("/p?x=1&key=mine&y=%5Ba%5D", "/p?x=1&y=%5Ba%5D"),
            ("/p?access_token=mine", "/p"),
            ("/p?ACCESS_Token=mine&a", "/p?a"),
            (
                "/p?%6Bey=mine&%61pi_key=mine&private%5Ftoken=mine&z=1",
                "/p?z=1",
            ),
            (
                "/p?filter%5Bkey%5D=a&monkey=b",
                "/p?filter%5Bkey%5D=a&monkey=b",
            ),
            (
                "/p?X-Amz-Signature=abc&sig=1",
                "/p?X-Amz-Signature=abc&sig=1",
            ),
            ("/p?a&&b", "/p?a&&b"),
            ("/p?%", "/p?%"),
            ("/p?%zz=1", "/p?%zz=1"),
        ];
        for (given, expected) in table {
            let kept = without_credentials(&given.parse().unwrap()).unwrap();
            assert_eq!(kept, expected, "{given}");
        }
    }
}
