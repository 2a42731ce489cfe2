//! The key pair of a GitHub App: made here, so that no private key lies in any file.

use anyhow::{Context as _, anyhow, bail};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::Deserialize;

/// How far in the future a token may end, in seconds (GitHub: ten minutes).
const LONGEST_LIFE: i64 = 600;
/// How far a client's clock may run ahead, in seconds.
const CLOCK_SKEW: i64 = 60;
/// Characters per line of a PEM file.
const PEM_LINE: usize = 64;

/// The RSA key pair with which a GitHub App signs its JSON Web Tokens.
pub struct AppKey {
    pair: KeyPair,
}

/// Why a JSON Web Token was refused, in GitHub's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwtRefused {
    #[error("A JSON web token could not be decoded")]
    Undecodable,
    #[error("'Issuer' claim ('iss') must be an Integer")]
    Issuer,
    #[error(
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    )]
    Expired,
    #[error("'Expiration time' claim ('exp') is too far in the future")]
    TooLong,
    #[error(
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    )]
    IssuedAhead,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: serde_json::Value,
}

impl AppKey {
    /// Makes a new pair of 2048 bits.
    pub fn generate() -> anyhow::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| anyhow!("the key pair of the GitHub App could not be made"))?;
        Ok(Self { pair })
    }

    /// The private half as a PKCS#8 PEM, in the form the App's settings page offers for download.
    pub fn private_key_pem(&self) -> anyhow::Result<SecretString> {
        let der: Pkcs8V1Der<'_> = self
            .pair
            .as_der()
            .map_err(|_| anyhow!("the private key could not be encoded"))?;
        let encoded = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in encoded.as_bytes().chunks(PEM_LINE) {
            pem.push_str(std::str::from_utf8(line).context("base64 is ASCII")?);
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(SecretString::from(pem))
    }

    /// Checks a token's signature and claims against the rules GitHub publishes for Apps.
    pub(super) fn check(&self, jwt: &str, app: u64, now: i64) -> Result<(), JwtRefused> {
        let claims = self.open(jwt).map_err(|_| JwtRefused::Undecodable)?;
        let issuer = claims
            .iss
            .as_u64()
            .or_else(|| claims.iss.as_str().and_then(|text| text.parse().ok()));
        if issuer != Some(app) {
            return Err(JwtRefused::Issuer);
        }
        if claims.iat > now + CLOCK_SKEW {
            return Err(JwtRefused::IssuedAhead);
        }
        if claims.exp <= now {
            return Err(JwtRefused::Expired);
        }
        if claims.exp > now + LONGEST_LIFE + CLOCK_SKEW {
            return Err(JwtRefused::TooLong);
        }
        Ok(())
    }

    fn open(&self, jwt: &str) -> anyhow::Result<Claims> {
        let (signed, signature) = jwt.rsplit_once('.').context("three parts")?;
        let (header, claims) = signed.split_once('.').context("three parts")?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
        if header.alg != "RS256" {
            bail!("the algorithm is {}", header.alg);
        }
        let public = self.pair.public_key().as_ref();
        UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature)?)
            .map_err(|_| anyhow!("the signature is not the App's"))?;
        Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?)
    }

    /// Signs a token for tests of the App's road.
    #[cfg(test)]
    pub(super) fn sign(&self, claims: &serde_json::Value) -> anyhow::Result<String> {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &aws_lc_rs::rand::SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| anyhow!("the token could not be signed"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
