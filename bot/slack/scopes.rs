//! What the bot was allowed to do, held against what it needs: Slack may grant fewer scopes than the manifest asks for.

/// A scope, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The scope.
    pub scope: &'static str,
    /// What does not work without it.
    pub without: &'static str,
    /// How much depends on it.
    pub weight: Weight,
}

/// How much depends on a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// No task can be done in Slack without it.
    Everything,
    /// One thing does not work; the rest does.
    OneThing,
}

const fn need(scope: &'static str, weight: Weight, without: &'static str) -> Need {
    Need {
        scope,
        without,
        weight,
    }
}

/// Everything that is asked for, in the order of the manifest.
pub const NEEDS: &[Need] = &[
    need(
        "app_mentions:read",
        Weight::Everything,
        "mentions are not heard",
    ),
    need(
        "assistant:write",
        Weight::OneThing,
        "the app has no place of its own as an agent",
    ),
    need(
        "channels:history",
        Weight::Everything,
        "requests and replies in public channels cannot be read",
    ),
    need(
        "channels:read",
        Weight::OneThing,
        "links to messages in other channels are not followed",
    ),
    need("chat:write", Weight::Everything, "nothing can be said"),
    need(
        "commands",
        Weight::OneThing,
        "the slash command and the shortcuts are not there",
    ),
    need(
        "files:read",
        Weight::OneThing,
        "files in requests cannot be read",
    ),
    need("files:write", Weight::OneThing, "pictures are not shown"),
    need(
        "groups:history",
        Weight::OneThing,
        "requests and replies in private channels cannot be read",
    ),
    need(
        "groups:read",
        Weight::OneThing,
        "links in private channels to messages in other channels are not followed",
    ),
    need(
        "im:history",
        Weight::OneThing,
        "requests and replies in direct messages cannot be read",
    ),
    need(
        "im:write",
        Weight::OneThing,
        "commands in channels without the bot get no answer",
    ),
    need(
        "reactions:read",
        Weight::OneThing,
        "decisions by emoji are not heard",
    ),
    need(
        "reactions:write",
        Weight::OneThing,
        "requests carry no mark of how they stand",
    ),
    need(
        "users:read",
        Weight::Everything,
        "nobody is known to be a member, so nobody may start or decide anything",
    ),
];

/// What is missing of what is asked for. Where nothing is said of what was granted, nothing is known to be missing.
#[must_use]
pub fn lacking(granted: &[String]) -> Vec<&'static Need> {
    if granted.is_empty() {
        return Vec::new();
    }
    let is_granted = |scope: &str| granted.iter().any(|granted| granted == scope);
    let all = NEEDS.iter();
    all.filter(|need| !is_granted(need.scope)).collect()
}

/// A sentence for operators about what is missing; none where nothing is.
#[must_use]
pub fn in_words(lacking: &[&Need]) -> Option<String> {
    if lacking.is_empty() {
        return None;
    }
    let each: Vec<String> = lacking
        .iter()
        .map(|need| format!("{} ({})", need.scope, need.without))
        .collect();
    let grave = lacking.iter().any(|need| need.weight == Weight::Everything);
    let gist = if grave {
        "tasks cannot be done in Slack, because these scopes are missing"
    } else {
        "these scopes are missing"
    };
    Some(format!(
        "{gist}: {}. Add them to the app and install it again",
        each.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(without: &[&str]) -> Vec<String> {
        let all = NEEDS.iter().map(|need| need.scope.to_owned());
        all.filter(|scope| !without.contains(&scope.as_str()))
            .collect()
    }

    #[test]
    fn everything_that_the_manifest_asks_for_has_a_reason() {
        let asked: Vec<&str> = NEEDS.iter().map(|need| need.scope).collect();
        assert_eq!(asked, super::super::manifest::SCOPES);
    }

    #[test]
    fn what_is_missing_is_named_with_what_does_not_work_and_how_grave_it_is() {
        let told = |without: &[&str]| in_words(&lacking(&granted(without)));
        assert_eq!(told(&[]), None);
        let one = told(&["files:write"]).unwrap_or_default();
        assert!(
            one.starts_with("these scopes are missing: files:write (pictures are not shown). Add"),
            "{one}"
        );
        let grave = told(&["chat:write", "commands"]).unwrap_or_default();
        assert!(
            grave.starts_with("tasks cannot be done in Slack")
                && grave.contains("chat:write (nothing can be said), commands ("),
            "{grave}"
        );
        assert_eq!(lacking(&[]), Vec::<&Need>::new());
    }
}
