//! The emojis of the workspace: Slack speaks of them by name, people see the picture.

/// Name and picture. Slack knows many more; a name that is missing here is refused as `invalid_name`.
const EMOJIS: &[(&str, &str)] = &[
    ("+1", "👍"),
    ("-1", "👎"),
    ("anchor", "⚓"),
    ("arrow_up", "⬆️"),
    ("arrows_counterclockwise", "🔄"),
    ("ballot_box_with_check", "☑️"),
    ("bar_chart", "📊"),
    ("bell", "🔔"),
    ("brain", "🧠"),
    ("bug", "🐛"),
    ("bulb", "💡"),
    ("camera", "📷"),
    ("camera_with_flash", "📸"),
    ("chart_with_upwards_trend", "📈"),
    ("clipboard", "📋"),
    ("clock1", "🕐"),
    ("construction", "🚧"),
    ("double_vertical_bar", "⏸️"),
    ("exclamation", "❗"),
    ("eyes", "👀"),
    ("fire", "🔥"),
    ("gear", "⚙️"),
    ("grey_question", "❔"),
    ("hammer_and_wrench", "🛠️"),
    ("heart", "❤️"),
    ("heavy_check_mark", "✔️"),
    ("heavy_minus_sign", "➖"),
    ("heavy_multiplication_x", "✖️"),
    ("hourglass", "⌛"),
    ("hourglass_flowing_sand", "⏳"),
    ("information_source", "ℹ️"),
    ("key", "🔑"),
    ("large_blue_circle", "🔵"),
    ("large_green_circle", "🟢"),
    ("large_yellow_circle", "🟡"),
    ("leftwards_arrow_with_hook", "↩️"),
    ("link", "🔗"),
    ("lock", "🔒"),
    ("mag", "🔍"),
    ("memo", "📝"),
    ("money_with_wings", "💸"),
    ("moneybag", "💰"),
    ("mute", "🔇"),
    ("no_entry", "⛔"),
    ("no_entry_sign", "🚫"),
    ("octagonal_sign", "🛑"),
    ("package", "📦"),
    ("page_facing_up", "📄"),
    ("pencil2", "✏️"),
    ("point_right", "👉"),
    ("pray", "🙏"),
    ("question", "❓"),
    ("raised_hand", "✋"),
    ("raising_hand", "🙋"),
    ("red_circle", "🔴"),
    ("repeat", "🔁"),
    ("robot_face", "🤖"),
    ("rocket", "🚀"),
    ("rotating_light", "🚨"),
    ("seedling", "🌱"),
    ("sparkles", "✨"),
    ("speech_balloon", "💬"),
    ("stopwatch", "⏱️"),
    ("tada", "🎉"),
    ("test_tube", "🧪"),
    ("thinking_face", "🤔"),
    ("thought_balloon", "💭"),
    ("thumbsdown", "👎"),
    ("thumbsup", "👍"),
    ("twisted_rightwards_arrows", "🔀"),
    ("warning", "⚠️"),
    ("wave", "👋"),
    ("white_check_mark", "✅"),
    ("white_circle", "⚪"),
    ("wrench", "🔧"),
    ("x", "❌"),
    ("zap", "⚡"),
];

/// The reactions that the page offers first: those that mean something to the bot, and one that does not.
pub(crate) const OFFERED: &[&str] = &[
    "white_check_mark",
    "+1",
    "x",
    "octagonal_sign",
    "repeat",
    "brain",
    "tada",
];

/// The picture of an emoji, by its name without colons; a skin tone is ignored.
#[must_use]
pub(crate) fn glyph(name: &str) -> Option<&'static str> {
    let plain = name.split("::").next().unwrap_or(name);
    EMOJIS
        .iter()
        .find(|(known, _)| *known == plain)
        .map(|(_, glyph)| *glyph)
}

/// The name of an emoji: a name stays as it is, a picture is looked up.
#[must_use]
pub(crate) fn name_of(name_or_glyph: &str) -> &str {
    let bare = name_or_glyph.trim_matches(':');
    let without_variant = |glyph: &str| glyph.trim_end_matches('\u{fe0f}').to_owned();
    EMOJIS
        .iter()
        .find(|(_, glyph)| without_variant(glyph) == without_variant(bare))
        .map_or(bare, |(name, _)| *name)
}

/// `text` with every `:name:` that is known replaced by its picture.
#[must_use]
pub(crate) fn expand(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(':') {
        let after = &rest[start + 1..];
        let found = after
            .find(':')
            .and_then(|end| Some((end, glyph(&after[..end])?)));
        shown.push_str(&rest[..start]);
        if let Some((end, picture)) = found {
            shown.push_str(picture);
            rest = &after[end + 1..];
        } else {
            shown.push(':');
            rest = after;
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_colons_becomes_its_picture_and_other_colons_stay() {
        assert_eq!(
            expand(":eyes: at 12:30:15 :nosuch: :+1:"),
            "👀 at 12:30:15 :nosuch: 👍"
        );
    }

    #[test]
    fn a_reaction_can_be_given_by_name_or_by_picture() {
        assert_eq!(name_of("✅"), "white_check_mark");
        assert_eq!(name_of(":x:"), "x");
        assert_eq!(name_of("⚠"), "warning");
        assert_eq!(name_of("brain"), "brain");
    }
}
