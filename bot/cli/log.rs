//! The log: how much of it, in which form, and nothing secret in it.

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter, util::SubscriberInitExt as _};

use crate::{
    config::Config,
    redact::{Redacting, Redactor},
};

/// Begins the log of this process, on its standard error.
pub(super) fn start(config: &Config, redactor: &Redactor) {
    subscriber(config, redactor, std::io::stderr).init();
    take_panics();
}

/// What writes the log: every line goes past the redactor.
fn subscriber<W>(config: &Config, redactor: &Redactor, out: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let output = Redacting::new(out, redactor.clone());
    let builder = fmt().with_env_filter(filter).with_writer(output);
    if config.log_json {
        Box::new(builder.json().finish())
    } else {
        Box::new(builder.finish())
    }
}

/// A panic's words go the way of the log.
fn take_panics() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "a part of the program panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        io,
        sync::{Arc, Mutex},
    };

    use anyhow::Context as _;

    use super::*;

    const CANARY: &str = "canary-of-the-log-5527/and+more";

    /// A log that is kept in memory.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(piece)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log has of this.
    fn logged(format: &str, happening: impl FnOnce()) -> String {
        let variables = [("DECKHAND_LOG", "debug"), ("DECKHAND_LOG_FORMAT", format)];
        let variables: BTreeMap<String, String> = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let config = Config::from_parts(&variables, "", "deckhand.toml").expect("settings");
        let redactor = Redactor::new([CANARY.into()]).expect("made");
        let kept = Kept::default();
        let out = kept.clone();
        let subscriber = subscriber(&config, &redactor, move || out.clone());
        tracing::subscriber::with_default(subscriber, happening);
        let bytes = kept.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("text")
    }

    fn assert_clean(log: &str, words: &str) {
        assert!(log.contains(words), "{log}");
        assert!(log.contains("[redacted]"), "{log}");
        assert!(!log.contains("canary-of-the-log"), "{log}");
    }

    #[test]
    fn a_panic_is_told_in_the_log_without_secrets() {
        for format in ["text", "json"] {
            let before = std::panic::take_hook();
            let log = logged(format, || {
                take_panics();
                let panicked = std::panic::catch_unwind(|| panic!("cannot use {CANARY}"));
                assert!(panicked.is_err());
            });
            std::panic::set_hook(before);
            assert_clean(&log, "a part of the program panicked");
        }
    }

    #[test]
    fn a_chain_of_errors_has_no_secret_in_any_link() {
        let chain = || {
            Err::<(), _>(io::Error::other(format!("the remote said {CANARY}")))
                .with_context(|| format!("asking with {CANARY}"))
                .context(format!("the push broke with {CANARY}"))
                .expect_err("an error")
        };
        for format in ["text", "json"] {
            for log in [
                logged(format, || tracing::warn!(error = ?chain(), "in full")),
                logged(
                    format,
                    || tracing::warn!(error = %format!("{:#}", chain()), "in a line"),
                ),
                logged(format, || {
                    let chain = chain();
                    let error: &(dyn std::error::Error + 'static) = chain.as_ref();
                    tracing::error!(error, "as a value");
                }),
                logged(format, || {
                    tracing::debug!("at the lowest level: {:?}", chain());
                }),
            ] {
                assert_clean(&log, "the push broke");
            }
        }
    }
}
