//! The words of a message, out of Slack's own markup: escapes undone, links and names unwrapped, the mention of the bot gone.
//!
//! Source of the rules: Slack's guide on formatting text.

/// The words as the person wrote them.
#[must_use]
pub(crate) fn plain(text: &str, bot_user: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(length) = rest[start..].find('>') else {
            break;
        };
        words.push_str(&unescape(&rest[..start]));
        let inside = &rest[start + 1..start + length];
        rest = &rest[start + length + 1..];
        if is_mention_of(inside, bot_user) {
            rest = drop_address(&words, rest);
        } else {
            words.push_str(&unescape(&unwrap(inside)));
        }
    }
    words.push_str(&unescape(rest));
    words.trim().to_owned()
}

/// Whether the text mentions this user.
#[must_use]
pub(crate) fn mentions(text: &str, user: &str) -> bool {
    !user.is_empty()
        && text.split('<').skip(1).any(|part| {
            part.split_once('>')
                .is_some_and(|(inside, _)| is_mention_of(inside, user))
        })
}

fn is_mention_of(inside: &str, user: &str) -> bool {
    inside
        .strip_prefix('@')
        .is_some_and(|named| named.split('|').next() == Some(user))
        && !user.is_empty()
}

/// "@deckhand: fix it" and "@deckhand, fix it" address the bot like "@deckhand fix it".
fn drop_address<'a>(before: &str, rest: &'a str) -> &'a str {
    if !before.trim().is_empty() {
        // In the middle of a sentence one of the two blanks around the mention goes.
        return if before.ends_with(' ') {
            rest.strip_prefix(' ').unwrap_or(rest)
        } else {
            rest
        };
    }
    rest.trim_start()
        .trim_start_matches([':', ','])
        .trim_start()
}

/// What stands between angle brackets, as people would write it.
fn unwrap(inside: &str) -> String {
    let (target, label) = inside
        .split_once('|')
        .map_or((inside, None), |(target, label)| (target, Some(label)));
    let label = label.filter(|label| !label.is_empty());
    match target.chars().next() {
        Some('@') => format!("@{}", label.unwrap_or(&target[1..]).trim_start_matches('@')),
        Some('#') => format!("#{}", label.unwrap_or(&target[1..]).trim_start_matches('#')),
        Some('!') => special(&target[1..], label),
        Some(_) => link(target, label),
        None => String::new(),
    }
}

/// `!here`, `!subteam^S1|@team`, `!date^…|yesterday`.
fn special(target: &str, label: Option<&str>) -> String {
    let word = target.split('^').next().unwrap_or_default();
    match (word, label) {
        ("date", Some(label)) => label.to_owned(),
        (_, Some(label)) => format!("@{}", label.trim_start_matches('@')),
        (word, None) => format!("@{word}"),
    }
}

/// The address; but where Slack made the link itself, out of `node.js` or a mail address, what was written.
fn link(target: &str, label: Option<&str>) -> String {
    let bare = target.split_once("://").map_or(target, |(_, bare)| bare);
    let bare = bare
        .strip_prefix("mailto:")
        .or_else(|| bare.strip_prefix("tel:"))
        .unwrap_or(bare);
    match label {
        Some(label) if label.trim_end_matches('/') == bare.trim_end_matches('/') => {
            label.to_owned()
        }
        Some(_) | None => target.to_owned(),
    }
}

/// Slack escapes exactly these three.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_out_as_they_were_written() {
        let check =
            |text: &str, expected: &str| assert_eq!(plain(text, "U0BOT"), expected, "{text}");
        check("<@U0BOT> fix it", "fix it");
        check("<@U0BOT|deckhand>: fix it", "fix it");
        check("please <@U0BOT> fix it", "please fix it");
        check("<@U1|ana> and <@U2> know", "@ana and @U2 know");
        check("see <#C1|eng> and <#C2>", "see #eng and #C2");
        check(
            "<!here> <!subteam^S1|@team> <!date^1^{date}|yesterday>",
            "@here @team yesterday",
        );
        check(
            "<https://git.example.com/acme/web|the repository>",
            "https://git.example.com/acme/web",
        );
        check(
            "<http://node.js|node.js> and <mailto:a@b.c|a@b.c>",
            "node.js and a@b.c",
        );
        check("if a &lt; b &amp;&amp; c &gt; d", "if a < b && c > d");
        check("&amp;lt; stays", "&lt; stays");
        check("a < b", "a < b");
        check("", "");
        check("<>", "");
        check("é<@U0BOT>é", "éé");
    }

    #[test]
    fn a_mention_is_found_with_and_without_a_name() {
        assert!(mentions("hey <@U0BOT|bot>", "U0BOT") && mentions("<@U0BOT>", "U0BOT"));
        assert!(!mentions("<@U0BOTX> U0BOT", "U0BOT") && !mentions("<@>", ""));
    }
}
