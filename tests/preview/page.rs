//! The page: every sample as it looks in Slack, and beside it as it looks in Linear.

use std::{fmt::Write as _, path::Path};

use deckhand_world::{linear, slack::still_document};

use crate::{
    catalogue,
    stage::{Look, Stage},
};

/// Beside and above the samples.
const STYLE: &str = "
body { background: #f1f2f4; margin: 0; padding: 24px; }
.preview-title { font-size: 24px; margin: 0 0 4px; }
.preview-chapter { font-size: 20px; margin: 32px 0 8px; }
.preview-row { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); margin-bottom: 18px; }
.preview-row > h3 { color: #555; font-size: 13px; font-weight: 600; grid-column: 1 / -1; margin: 0; }
.preview-place { background: #fff; border: 1px solid #dcdee3; border-radius: 10px; overflow: hidden; padding: 8px 0; }
.preview-place.linear { padding: 12px 16px; }
.preview-place.none { background: none; border-style: dashed; color: #888; padding: 12px 16px; }
.still-home, .still-form { padding: 12px 20px; }
.still-home > .block-header { margin-top: 20px; }
.still-form .modal-head, .still-form .modal-foot { padding-left: 0; padding-right: 0; }
.still-form .modal-body { max-height: none; overflow: visible; padding-left: 0; padding-right: 0; }
.picker, .toast, dialog { display: none; }
";
/// Says how long the page is, for whoever takes a picture of it.
const MEASURE: &str = "<script>document.documentElement.dataset.height = document.documentElement.scrollHeight</script>";
/// Rows of one part: a browser takes no picture of a page that is much longer.
const PART_ROWS: usize = 6;

/// Writes the whole page as `messages.html` into the folder, and its parts as `messages-01.html` and so on.
pub async fn write(folder: &Path) -> anyhow::Result<()> {
    let stage = Stage::open().await?;
    let mut rows = Vec::new();
    let mut chapter = "";
    for sample in catalogue::all() {
        let look = stage.show(&sample).await?;
        let mut row = String::new();
        if sample.chapter != chapter {
            chapter = sample.chapter;
            write!(row, r#"<h2 class="preview-chapter">{chapter}</h2>"#)?;
        }
        row += &self::row(&sample.title, &look);
        rows.push(row);
    }
    std::fs::create_dir_all(folder)?;
    for old in std::fs::read_dir(folder)? {
        let old = old?.path();
        let name = old
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("messages") {
            std::fs::remove_file(old)?;
        }
    }
    let whole = folder.join("messages.html");
    std::fs::write(&whole, document(&rows.concat()))?;
    for (number, part) in rows.chunks(PART_ROWS).enumerate() {
        let name = format!("messages-{:02}.html", number + 1);
        std::fs::write(folder.join(name), document(&part.concat()))?;
    }
    println!("{} samples in {}", rows.len(), whole.display());
    Ok(())
}

fn document(body: &str) -> String {
    let style = format!("{}{STYLE}", linear::STYLE);
    let title = "What Deckhand says";
    let body = format!(
        r#"<h1 class="preview-title">{title}</h1><p>Sample content. In Slack on the left, in Linear on the right.</p>{body}"#
    );
    still_document(title, &style, &format!("{body}{MEASURE}"))
}

fn row(title: &str, look: &Look) -> String {
    let place = |name: &str, shown: &Option<String>| match shown {
        Some(html) => format!(r#"<div class="preview-place {name}">{html}</div>"#),
        None => r#"<div class="preview-place none">Not here.</div>"#.to_owned(),
    };
    format!(
        r#"<div class="preview-row"><h3>{title}</h3>{}{}</div>"#,
        place("slack", &look.slack),
        place("linear", &look.linear)
    )
}
