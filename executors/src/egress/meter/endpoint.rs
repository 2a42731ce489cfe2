//! Which addresses of a provider a sandbox may ask: inference, the counting of tokens, and lists of models.
//!
//! Everything else below a base address would act with our key and is refused: files, batches and fine-tuning are a way
//! out and cost what nobody counts; keys, members and settings of the organisation are none of a sandbox's business.

use hyper::Method;

use super::answer::Wire;

/// Whose addresses and wire formats a base address has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Anthropic.
    Anthropic,
    /// `OpenAI`, and those that are compatible with it.
    OpenAi,
    /// Gemini.
    Gemini,
}

impl Provider {
    /// How the names of its models begin in the price table.
    pub(super) fn models(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["claude"],
            Self::OpenAi => &["gpt", "o1", "o3", "o4", "codex", "chatgpt"],
            Self::Gemini => &["gemini"],
        }
    }
}

/// What an address is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A call of a model, which costs. The model's name, where the address has it.
    Inference(Wire, Option<String>),
    /// What costs nothing.
    Free,
}

/// What the rest of a path below a provider's base address is for; nothing where it may not be asked.
pub fn endpoint(provider: Provider, method: &Method, path: &str) -> Option<Endpoint> {
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    if !parts.iter().all(|part| part.bytes().all(is_plain)) {
        return None;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let writes = *method == Method::POST;
    if reads && parts == [""] {
        // A look whether the provider is there.
        return Some(Endpoint::Free);
    }
    let inference = |wire| Some(Endpoint::Inference(wire, None));
    match provider {
        Provider::Anthropic => match parts.as_slice() {
            ["v1", "messages"] if writes => inference(Wire::Anthropic),
            ["v1", "messages", "count_tokens"] if writes => Some(Endpoint::Free),
            ["v1", "models"] | ["v1", "models", _] | ["api", "hello"] if reads => {
                Some(Endpoint::Free)
            }
            _ => None,
        },
        Provider::OpenAi => match parts.as_slice() {
            ["responses"] | ["responses", "compact"] if writes => inference(Wire::Responses),
            ["chat", "completions"] if writes => inference(Wire::Chat),
            ["responses", "input_tokens"] if writes => Some(Endpoint::Free),
            ["models"] | ["models", _] | ["models", _, _] if reads => Some(Endpoint::Free),
            _ => None,
        },
        Provider::Gemini => match parts.as_slice() {
            ["v1" | "v1beta" | "v1alpha", "models"] if reads => Some(Endpoint::Free),
            ["v1" | "v1beta" | "v1alpha", "models", model] => gemini(model, reads, writes),
            _ => None,
        },
    }
}

fn gemini(model: &str, reads: bool, writes: bool) -> Option<Endpoint> {
    match model.split_once(':') {
        None if reads => Some(Endpoint::Free),
        Some((model, "generateContent" | "streamGenerateContent")) if writes => {
            Some(Endpoint::Inference(Wire::Gemini, Some(model.to_owned())))
        }
        Some((_, "countTokens")) if writes => Some(Endpoint::Free),
        Some(_) | None => None,
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:@~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(provider: Provider, line: &str) -> Option<Endpoint> {
        let (method, path) = line.split_once(' ').unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        endpoint(provider, &method, path)
    }

    #[test]
    fn models_are_called_and_listed_and_tokens_counted() {
        let (free, plain) = (Some(Endpoint::Free), None::<String>);
        let calls = |wire| Some(Endpoint::Inference(wire, plain.clone()));
        let gemini = Some(Endpoint::Inference(Wire::Gemini, Some("g-1.5".to_owned())));
        for (provider, line, expected) in [
            (
                Provider::Anthropic,
                "POST /v1/messages",
                calls(Wire::Anthropic),
            ),
            (
                Provider::Anthropic,
                "POST /v1/messages/count_tokens",
                free.clone(),
            ),
            (Provider::Anthropic, "GET /v1/models", free.clone()),
            (Provider::Anthropic, "GET /v1/models/claude-x", free.clone()),
            (Provider::Anthropic, "HEAD /", free.clone()),
            (Provider::OpenAi, "POST /responses", calls(Wire::Responses)),
            (
                Provider::OpenAi,
                "POST /responses/compact",
                calls(Wire::Responses),
            ),
            (
                Provider::OpenAi,
                "POST /chat/completions",
                calls(Wire::Chat),
            ),
            (Provider::OpenAi, "GET /models", free.clone()),
            (Provider::OpenAi, "GET /models/org/name", free.clone()),
            (
                Provider::Gemini,
                "POST /v1beta/models/g-1.5:generateContent",
                gemini.clone(),
            ),
            (
                Provider::Gemini,
                "POST /v1beta/models/g-1.5:streamGenerateContent",
                gemini,
            ),
            (
                Provider::Gemini,
                "POST /v1beta/models/g-1.5:countTokens",
                free.clone(),
            ),
            (Provider::Gemini, "GET /v1beta/models/g-1.5", free),
        ] {
            assert_eq!(asked(provider, line), expected, "{line}");
        }
    }

    #[test]
    fn everything_else_of_a_provider_is_refused() {
        for (provider, lines) in [
            (
                Provider::Anthropic,
                &[
                    "POST /v1/files",
                    "GET /v1/files",
                    "POST /v1/messages/batches",
                    "POST /v1/complete",
                    "GET /v1/organizations/api_keys",
                    "POST /v1/skills",
                    "GET /v1/messages",
                    "POST //v1/messages",
                    "POST /v1/messages/",
                    "POST /v1/./messages",
                    "POST /v1/messages%2fbatches",
                    "POST /V1/messages",
                ] as &[&str],
            ),
            (
                Provider::OpenAi,
                &[
                    "POST /files",
                    "POST /uploads",
                    "POST /batches",
                    "POST /fine_tuning/jobs",
                    "POST /vector_stores",
                    "POST /containers",
                    "GET /organization/projects",
                    "POST /images/generations",
                    "POST /embeddings",
                    "POST /completions",
                    "GET /responses/resp_1",
                    "POST /responses/resp_1/cancel",
                    "POST /realtime/sessions",
                    "POST /models/x",
                ],
            ),
            (
                Provider::Gemini,
                &[
                    "POST /upload/v1beta/files",
                    "POST /v1beta/files",
                    "POST /v1beta/cachedContents",
                    "POST /v1beta/models/g:batchGenerateContent",
                    "POST /v1beta/models/g:embedContent",
                    "POST /v1beta/models/g:predictLongRunning",
                    "POST /v1beta/tunedModels",
                    "GET /v1beta/models/g:generateContent",
                    "POST /v1beta/models/g",
                ],
            ),
        ] {
            for line in lines {
                assert_eq!(asked(provider, line), None, "{line}");
            }
        }
    }
}
