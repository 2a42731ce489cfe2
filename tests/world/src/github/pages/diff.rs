//! A unified difference as a page shows it.

use std::fmt::Write as _;

use super::escape;

#[derive(Default)]
struct File<'a> {
    path: &'a str,
    added: usize,
    removed: usize,
    lines: Vec<&'a str>,
}

/// The files of a difference; pictures are shown from `raw`, the address of the new revision's files.
pub(super) fn html(diff: &str, raw: &str) -> String {
    let mut page = String::new();
    for file in files(diff) {
        let path = escape(file.path);
        let _ = write!(
            page,
            "<details class=\"box file\" open><summary><code>{path}</code> <span class=plus>+{}</span> <span class=minus>−{}</span></summary>",
            file.added, file.removed,
        );
        if is_picture(file.path) {
            let _ = write!(
                page,
                "<p class=picture><img src=\"{}/{path}\" alt=\"{path}\"></p>",
                escape(raw)
            );
        } else {
            page.push_str("<div class=scroll><table class=diff>");
            rows(&mut page, &file.lines);
            page.push_str("</table></div>");
        }
        page.push_str("</details>");
    }
    page
}

fn is_picture(path: &str) -> bool {
    matches!(
        path.rsplit('.').next(),
        Some("png" | "jpg" | "jpeg" | "gif" | "webp")
    )
}

fn files(diff: &str) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = Vec::new();
    let mut inside = false;
    for line in diff.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            let path = names.rsplit_once(" b/").map_or(names, |(_, path)| path);
            files.push(File {
                path,
                ..File::default()
            });
            inside = false;
            continue;
        }
        let Some(file) = files.last_mut() else {
            continue;
        };
        inside |= line.starts_with("@@");
        if inside {
            file.added += usize::from(line.starts_with('+'));
            file.removed += usize::from(line.starts_with('-'));
            file.lines.push(line);
        }
    }
    files
}

/// The first line numbers of a hunk's old and new side, from `@@ -3,7 +3,9 @@`.
fn start(hunk: &str) -> (usize, usize) {
    let side = |mark: char| {
        let text = hunk.split(' ').find_map(|part| part.strip_prefix(mark))?;
        text.split(',').next()?.parse().ok()
    };
    (side('-').unwrap_or(1), side('+').unwrap_or(1))
}

fn rows(page: &mut String, lines: &[&str]) {
    let (mut old, mut new) = (1, 1);
    for line in lines {
        let text = escape(line);
        if line.starts_with("@@") {
            (old, new) = start(line);
            let _ = write!(
                page,
                "<tr class=hunk><td></td><td></td><td>{text}</td></tr>"
            );
        } else if line.starts_with('+') {
            let _ = write!(
                page,
                "<tr class=add><td></td><td>{new}</td><td>{text}</td></tr>"
            );
            new += 1;
        } else if line.starts_with('-') {
            let _ = write!(
                page,
                "<tr class=del><td>{old}</td><td></td><td>{text}</td></tr>"
            );
            old += 1;
        } else {
            let _ = write!(page, "<tr><td>{old}</td><td>{new}</td><td>{text}</td></tr>");
            old += 1;
            new += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{files, start};

    #[test]
    fn a_difference_is_read_file_by_file() {
        let text = "diff --git a/a.js b/a.js\n--- a/a.js\n+++ b/a.js\n@@ -3,2 +3,2 @@ f\n-old\n+new\n kept\n\
                    diff --git a/b.png b/b.png\nBinary files differ\n";
        let files = files(text);
        assert_eq!(files.len(), 2);
        assert_eq!(
            (files[0].path, files[0].added, files[0].removed),
            ("a.js", 1, 1)
        );
        assert!(files[1].lines.is_empty());
        assert_eq!(start("@@ -3,2 +14 @@ f"), (3, 14));
    }
}
