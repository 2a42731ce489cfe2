//! Blocks as HTML.

use serde_json::Value;

use super::markdown;
use super::mrkdwn::{self, escape, in_element};
use crate::slack::emoji;
use crate::slack::workspace::Workspace;

/// All blocks of a message; `ts` is the message that its controls belong to.
pub(crate) fn html(workspace: &Workspace, ts: &str, blocks: &[Value]) -> String {
    blocks
        .iter()
        .map(|shown| block(workspace, ts, shown))
        .collect()
}

fn block(workspace: &Workspace, ts: &str, block: &Value) -> String {
    let list = |name: &str| {
        block[name]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice)
    };
    match block["type"].as_str().unwrap_or_default() {
        "section" => section(workspace, ts, block),
        "header" => format!(
            r#"<h3 class="block-header">{}</h3>"#,
            text_object(workspace, &block["text"])
        ),
        "markdown" => {
            let text = block["text"].as_str().unwrap_or_default();
            format!(
                r#"<div class="markdown">{}</div>"#,
                markdown::html(workspace, text)
            )
        }
        "context" => {
            let elements = list("elements")
                .iter()
                .map(|element| match element["type"].as_str() {
                    Some("image") => image(workspace, element, "icon"),
                    Some(_) | None => format!("<span>{}</span>", text_object(workspace, element)),
                });
            format!(
                r#"<div class="context">{}</div>"#,
                elements.collect::<String>()
            )
        }
        "actions" | "context_actions" => {
            let elements = list("elements")
                .iter()
                .map(|element| control(workspace, ts, block, element));
            format!(
                r#"<div class="actions">{}</div>"#,
                elements.collect::<String>()
            )
        }
        "divider" => "<hr>".to_owned(),
        "image" => image(workspace, block, "picture"),
        "plan" => {
            let tasks = list("tasks").iter().map(|shown| task(workspace, shown));
            let title = escape(block["title"].as_str().unwrap_or_default());
            let tasks = tasks.collect::<String>();
            format!(
                r#"<div class="plan"><div class="plan-title">{title}</div><ul>{tasks}</ul></div>"#
            )
        }
        "task_card" => format!(
            r#"<div class="plan"><ul>{}</ul></div>"#,
            task(workspace, block)
        ),
        "table" => table(workspace, block),
        "rich_text" => list("elements")
            .iter()
            .map(|element| rich(workspace, element))
            .collect(),
        "input" => input(workspace, block),
        other => format!(r#"<div class="context">({})</div>"#, escape(other)),
    }
}

fn section(workspace: &Workspace, ts: &str, block: &Value) -> String {
    let mut html = String::new();
    if block["text"].is_object() {
        html.push_str(&in_element("div", &text_object(workspace, &block["text"])));
    }
    if let Some(fields) = block["fields"].as_array() {
        let shown = fields
            .iter()
            .map(|field| in_element("div", &text_object(workspace, field)));
        html.push_str(&boxed("fields", &shown.collect::<String>()));
    }
    let accessory = match block["accessory"]["type"].as_str() {
        Some("image") => image(workspace, &block["accessory"], "accessory"),
        Some(_) => control(workspace, ts, block, &block["accessory"]),
        None => String::new(),
    };
    format!(r#"<div class="section"><div class="section-text">{html}</div>{accessory}</div>"#)
}

/// Something in a box of this class.
fn boxed(class: &str, inside: &str) -> String {
    format!(r#"<div class="{class}">{inside}</div>"#)
}

/// A text object.
fn text_object(workspace: &Workspace, text: &Value) -> String {
    let content = text["text"].as_str().unwrap_or_default();
    if text["type"] == "mrkdwn" {
        mrkdwn::html(workspace, content)
    } else {
        escape(&emoji::expand(content)).replace('\n', "<br>")
    }
}

/// A picture, from a file of the workspace or from an address.
fn image(workspace: &Workspace, block: &Value, class: &str) -> String {
    let id = block["slack_file"]["id"].as_str();
    let source = match id.filter(|id| workspace.files.keys().any(|known| known.as_str() == *id)) {
        Some(id) => format!("/page/files/{id}"),
        None => block["image_url"].as_str().unwrap_or_default().to_owned(),
    };
    let alt = escape(block["alt_text"].as_str().unwrap_or_default());
    let title = text_object(workspace, &block["title"]);
    format!(
        r#"<figure class="{class}"><img src="{}" alt="{alt}"><figcaption>{title}</figcaption></figure>"#,
        escape(&source)
    )
}

/// A button or menu; what it needs to be pressed stands in its data.
fn control(workspace: &Workspace, ts: &str, block: &Value, element: &Value) -> String {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let data = format!(
        r#"data-ts="{}" data-block="{}" data-action="{}""#,
        escape(ts),
        text(&block["block_id"]),
        text(&element["action_id"])
    );
    match element["type"].as_str().unwrap_or_default() {
        "button" => {
            let style = text(&element["style"]);
            let label = text_object(workspace, &element["text"]);
            let confirm = match element["confirm"]["text"]["text"].as_str() {
                Some(question) => format!(r#" data-confirm="{}""#, escape(question)),
                None => String::new(),
            };
            let open = match element["url"].as_str() {
                Some(address) => format!(r#" data-open="{}""#, escape(address)),
                None => String::new(),
            };
            format!(
                r#"<button type="button" class="button {style}" data-do="press" {data}{confirm}{open}>{label}</button>"#
            )
        }
        "static_select" | "radio_buttons" | "overflow" => {
            let placeholder = text_object(workspace, &element["placeholder"]);
            let options = options(workspace, element);
            format!(
                r#"<select class="menu" data-do="choose" {data} aria-label="{placeholder}"><option value="" selected disabled>{placeholder}</option>{options}</select>"#
            )
        }
        "feedback_buttons" => r#"<span class="context">👍 👎</span>"#.to_owned(),
        _ => format!("<span>{}</span>", text_object(workspace, element)),
    }
}

fn options(workspace: &Workspace, element: &Value) -> String {
    let chosen = &element["initial_option"]["value"];
    let options = element["options"].as_array().into_iter().flatten();
    let shown = options.map(|option| {
        let mark = if !chosen.is_null() && option["value"] == *chosen {
            " selected"
        } else {
            ""
        };
        let value = escape(option["value"].as_str().unwrap_or_default());
        format!(
            r#"<option value="{value}"{mark}>{}</option>"#,
            text_object(workspace, &option["text"])
        )
    });
    shown.collect()
}

fn task(workspace: &Workspace, task: &Value) -> String {
    let status = escape(task["status"].as_str().unwrap_or_default());
    let title = escape(&emoji::expand(task["title"].as_str().unwrap_or_default()));
    let parts = ["details", "output"].map(|part| {
        let elements = task[part]["elements"].as_array().into_iter().flatten();
        elements
            .map(|element| rich(workspace, element))
            .collect::<String>()
    });
    let parts = parts.iter().filter(|part| !part.is_empty());
    let parts = parts
        .map(|part| boxed("task-part", part))
        .collect::<String>();
    format!(
        r#"<li class="task {status}"><span class="task-mark"></span><div><div class="task-title">{title}</div>{parts}</div></li>"#
    )
}

fn table(workspace: &Workspace, block: &Value) -> String {
    let rows = block["rows"].as_array().into_iter().flatten().enumerate();
    let rows = rows.map(|(number, row)| {
        let tag = if number == 0 { "th" } else { "td" };
        let cells = row.as_array().into_iter().flatten().map(|cell| {
            let shown = match cell["type"].as_str() {
                Some("rich_text") => cell["elements"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|element| rich(workspace, element))
                    .collect(),
                Some(_) | None => escape(&emoji::expand(cell["text"].as_str().unwrap_or_default())),
            };
            format!("<{tag}>{shown}</{tag}>")
        });
        format!("<tr>{}</tr>", cells.collect::<String>())
    });
    format!(
        r#"<div class="table"><table>{}</table></div>"#,
        rows.collect::<String>()
    )
}

/// One element of rich text, with what stands in it.
fn rich(workspace: &Workspace, element: &Value) -> String {
    let inside = || {
        let elements = element["elements"].as_array().into_iter().flatten();
        elements
            .map(|element| rich(workspace, element))
            .collect::<String>()
    };
    let text = |name: &str| element[name].as_str().unwrap_or_default();
    match text("type") {
        "rich_text_section" => format!("<div>{}</div>", inside()),
        "rich_text_preformatted" => format!("<pre>{}</pre>", inside()),
        "rich_text_quote" => format!("<blockquote>{}</blockquote>", inside()),
        "rich_text_list" => {
            let tag = if element["style"] == "ordered" {
                "ol"
            } else {
                "ul"
            };
            let items = element["elements"].as_array().into_iter().flatten();
            let items = items.map(|item| in_element("li", &rich(workspace, item)));
            in_element(tag, &items.collect::<String>())
        }
        "text" => styled(
            &element["style"],
            &escape(text("text")).replace('\n', "<br>"),
        ),
        "link" => {
            let label = if text("text").is_empty() {
                text("url")
            } else {
                text("text")
            };
            styled(&element["style"], &mrkdwn::link(text("url"), label))
        }
        "user" => mrkdwn::mention(workspace, text("user_id")),
        "emoji" => escape(&emoji::expand(&format!(":{}:", text("name")))),
        _ => inside(),
    }
}

fn styled(style: &Value, html: &str) -> String {
    let tags = [
        ("bold", "strong"),
        ("italic", "em"),
        ("strike", "s"),
        ("code", "code"),
    ];
    let wanted = tags.iter().filter(|(name, _)| style[*name] == true);
    wanted.fold(html.to_owned(), |inside, (_, tag)| {
        format!("<{tag}>{inside}</{tag}>")
    })
}

/// A field of a modal.
fn input(workspace: &Workspace, block: &Value) -> String {
    let element = &block["element"];
    let name = escape(block["block_id"].as_str().unwrap_or_default());
    let label = text_object(workspace, &block["label"]);
    let optional = if block["optional"] == true {
        r#" <span class="faint">(optional)</span>"#
    } else {
        ""
    };
    let required = if block["optional"] == true {
        ""
    } else {
        " required"
    };
    let placeholder = escape(element["placeholder"]["text"].as_str().unwrap_or_default());
    let value = escape(element["initial_value"].as_str().unwrap_or_default());
    let field = match element["type"].as_str().unwrap_or_default() {
        "static_select" | "radio_buttons" => {
            let none = if element["initial_option"].is_null() {
                r#"<option value="" selected></option>"#
            } else {
                ""
            };
            format!(
                r#"<select name="{name}"{required}>{none}{}</select>"#,
                options(workspace, element)
            )
        }
        "plain_text_input" if element["multiline"] == true => {
            format!(
                r#"<textarea name="{name}" rows="7" placeholder="{placeholder}"{required}>{value}</textarea>"#
            )
        }
        _ => format!(
            r#"<input name="{name}" value="{value}" placeholder="{placeholder}"{required}>"#
        ),
    };
    let hint = text_object(workspace, &block["hint"]);
    let hint = if hint.is_empty() {
        String::new()
    } else {
        format!(r#"<span class="faint">{hint}</span>"#)
    };
    format!(
        r#"<label class="field" data-field="{name}"><span class="label">{label}{optional}</span>{field}{hint}<span class="field-error"></span></label>"#
    )
}
