//! The check of Block Kit blocks: which there are, what each must have, and how long it may be.

use std::collections::BTreeSet;

use serde_json::Value;

use super::limits;

/// Where blocks stand: some are for one place only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Message,
    View,
}

/// What is wrong with a list of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockFault {
    /// Slack's error code.
    pub(crate) code: &'static str,
    /// What is wrong, and where.
    pub(crate) message: String,
}

/// Collects what is wrong while blocks are walked.
struct Check {
    faults: Vec<String>,
    place: Place,
    identifiers: BTreeSet<String>,
    at: String,
}

/// Everything wrong with `blocks`; empty where Slack would take them.
pub(crate) fn faults(blocks: &[Value], place: Place) -> Vec<BlockFault> {
    let mut check = Check {
        faults: Vec::new(),
        place,
        identifiers: BTreeSet::new(),
        at: String::new(),
    };
    let most = match place {
        Place::Message => limits::BLOCKS_PER_MESSAGE,
        Place::View => limits::BLOCKS_PER_VIEW,
    };
    check.count("blocks", blocks.len(), most);
    for (index, block) in blocks.iter().enumerate() {
        check.at = format!("/blocks/{index}");
        check.block(block);
    }
    "/blocks".clone_into(&mut check.at);
    let kinds: BTreeSet<_> = blocks
        .iter()
        .filter_map(|block| block["type"].as_str())
        .collect();
    if kinds.contains("plan") && kinds.contains("task_card") {
        check.fault("plan and task_card exclude each other in one message");
    }
    let mut faults: Vec<BlockFault> = check
        .faults
        .into_iter()
        .map(|message| BlockFault {
            code: "invalid_blocks",
            message,
        })
        .collect();
    let text: usize = blocks.iter().map(text_length).sum();
    if place == Place::Message && text > limits::BLOCK_TEXT_PER_MESSAGE {
        let message = format!(
            "{text} characters in all blocks, at most {}",
            limits::BLOCK_TEXT_PER_MESSAGE
        );
        faults.push(BlockFault {
            code: "msg_blocks_too_long",
            message,
        });
    }
    faults
}

/// Characters of visible text anywhere in `value`.
fn text_length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(text_length).sum(),
        Value::Object(fields) => {
            let texts = fields.iter().map(|(name, value)| match value {
                Value::String(text) if name == "text" => text.chars().count(),
                Value::Array(_) | Value::Object(_) => text_length(value),
                Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            });
            texts.sum()
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

impl Check {
    fn fault(&mut self, message: &str) {
        self.faults
            .push(format!("[ERROR] {message} [json-pointer:{}]", self.at));
    }

    fn count(&mut self, what: &str, count: usize, most: usize) {
        if count > most {
            self.fault(&format!("{count} {what}, at most {most}"));
        }
    }

    /// The characters of a string that must be there.
    fn string(&mut self, value: &Value, what: &str, most: usize) {
        match value.as_str() {
            None => self.fault(&format!("missing {what}")),
            Some("") => self.fault(&format!("{what} must be more than 0 characters")),
            Some(text) => self.length(text, what, most),
        }
    }

    fn length(&mut self, text: &str, what: &str, most: usize) {
        let length = text.chars().count();
        if length > most {
            self.fault(&format!("{what} has {length} characters, at most {most}"));
        }
    }

    fn optional(&mut self, value: &Value, what: &str, most: usize) {
        if !value.is_null() {
            self.string(value, what, most);
        }
    }

    /// A text object.
    fn text(&mut self, value: &Value, what: &str, most: usize, kinds: &[&str]) {
        let kind = value["type"].as_str().unwrap_or_default();
        if kinds.contains(&kind) {
            self.string(&value["text"], what, most);
        } else {
            self.fault(&format!(
                "{what} must be a text object of type {}",
                kinds.join(" or ")
            ));
        }
    }

    fn identifier(&mut self, value: &Value, what: &str) {
        self.optional(value, what, limits::IDENTIFIER);
    }

    fn list<'a>(&mut self, value: &'a Value, what: &str, most: usize) -> &'a [Value] {
        let items = value.as_array().map_or(&[] as &[Value], Vec::as_slice);
        if items.is_empty() {
            self.fault(&format!("{what} must not be empty"));
        }
        self.count(what, items.len(), most);
        items
    }

    fn block(&mut self, block: &Value) {
        self.identifier(&block["block_id"], "block_id");
        if let Some(id) = block["block_id"].as_str()
            && !self.identifiers.insert(id.to_owned())
        {
            self.fault(&format!("block_id {id} is used twice"));
        }
        match block["type"].as_str().unwrap_or_default() {
            "section" => self.section(block),
            "header" => self.text(&block["text"], "text", limits::HEADER_TEXT, &["plain_text"]),
            "markdown" => self.string(&block["text"], "text", limits::MARKDOWN),
            "context" => self.context(block),
            "actions" => self.actions(block),
            "context_actions" => {
                self.context_actions(block);
            }
            "image" => self.image(block),
            "plan" => self.plan(block),
            "task_card" => self.task(block),
            "table" => self.table(block),
            "rich_text" => {
                self.list(&block["elements"], "elements", usize::MAX);
            }
            "input" if self.place == Place::View => self.input(block),
            "divider" | "file" | "video" | "card" | "carousel" | "alert" => {}
            other => self.fault(&format!("unsupported type: {other}")),
        }
    }

    fn section(&mut self, block: &Value) {
        let fields = block["fields"].as_array();
        if block["text"].is_null() && fields.is_none() {
            self.fault("a section needs text or fields");
        }
        if !block["text"].is_null() {
            self.text(
                &block["text"],
                "text",
                limits::SECTION_TEXT,
                &["mrkdwn", "plain_text"],
            );
        }
        let fields = fields.map_or(&[] as &[Value], Vec::as_slice);
        self.count("fields", fields.len(), limits::SECTION_FIELDS);
        for field in fields {
            self.text(
                field,
                "field",
                limits::SECTION_FIELD,
                &["mrkdwn", "plain_text"],
            );
        }
        if !block["accessory"].is_null() {
            self.element(&block["accessory"]);
        }
    }

    fn context(&mut self, block: &Value) {
        for element in self.list(&block["elements"], "elements", limits::CONTEXT_ELEMENTS) {
            if element["type"] == "image" {
                self.image(element);
            } else {
                self.text(
                    element,
                    "element",
                    limits::CONTEXT_TEXT,
                    &["mrkdwn", "plain_text"],
                );
            }
        }
    }

    fn context_actions(&mut self, block: &Value) {
        let most = limits::CONTEXT_ACTIONS_ELEMENTS;
        for element in self.list(&block["elements"], "elements", most) {
            self.identifier(&element["action_id"], "action_id");
            match element["type"].as_str().unwrap_or_default() {
                "feedback_buttons" => {
                    for side in ["positive_button", "negative_button"] {
                        let button = &element[side];
                        let kinds: &[&str] = &["plain_text"];
                        self.text(&button["text"], side, limits::BUTTON_TEXT, kinds);
                        self.string(&button["value"], "value", limits::BUTTON_VALUE);
                    }
                }
                "icon_button" => {}
                other => self.fault(&format!("unsupported element: {other}")),
            }
        }
    }

    fn image(&mut self, block: &Value) {
        self.string(&block["alt_text"], "alt_text", limits::IMAGE_ALT);
        if block["image_url"].is_null() && block["slack_file"].is_null() {
            self.fault("an image needs image_url or slack_file");
        }
    }

    fn actions(&mut self, block: &Value) {
        let mut seen = BTreeSet::new();
        for element in self.list(&block["elements"], "elements", limits::ACTIONS_ELEMENTS) {
            self.element(element);
            if let Some(id) = element["action_id"].as_str()
                && !seen.insert(id)
            {
                self.fault(&format!("action_id {id} is used twice in one block"));
            }
        }
    }

    fn element(&mut self, element: &Value) {
        self.identifier(&element["action_id"], "action_id");
        match element["type"].as_str().unwrap_or_default() {
            "button" => {
                self.text(
                    &element["text"],
                    "text",
                    limits::BUTTON_TEXT,
                    &["plain_text"],
                );
                self.optional(&element["value"], "value", limits::BUTTON_VALUE);
                self.optional(&element["url"], "url", limits::BUTTON_URL);
                if let Some(style) = element["style"].as_str()
                    && !["primary", "danger"].contains(&style)
                {
                    self.fault(&format!("no such button style: {style}"));
                }
            }
            "static_select"
            | "radio_buttons"
            | "checkboxes"
            | "overflow"
            | "multi_static_select" => {
                for option in self.list(&element["options"], "options", limits::OPTIONS) {
                    self.option(option);
                }
                self.optional(
                    &element["placeholder"]["text"],
                    "placeholder",
                    limits::PLACEHOLDER,
                );
            }
            "image" => self.image(element),
            "users_select"
            | "channels_select"
            | "conversations_select"
            | "external_select"
            | "datepicker"
            | "workflow_button" => {}
            other => self.fault(&format!("unsupported element: {other}")),
        }
    }

    fn option(&mut self, option: &Value) {
        let kinds: &[&str] = &["plain_text", "mrkdwn"];
        self.text(&option["text"], "option", limits::OPTION_TEXT, kinds);
        self.string(&option["value"], "option value", limits::OPTION_VALUE);
    }

    fn plan(&mut self, block: &Value) {
        self.string(&block["title"], "title", limits::SECTION_TEXT);
        let mut seen = BTreeSet::new();
        let tasks = block["tasks"]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice);
        self.count("tasks", tasks.len(), limits::PLAN_TASKS);
        for task in tasks {
            self.task(task);
            if let Some(id) = task["task_id"].as_str()
                && !seen.insert(id)
            {
                self.fault(&format!("task_id {id} is used twice"));
            }
        }
    }

    fn task(&mut self, task: &Value) {
        self.string(&task["task_id"], "task_id", limits::IDENTIFIER);
        self.string(&task["title"], "title", limits::SECTION_TEXT);
        match task["status"].as_str() {
            Some("pending" | "in_progress" | "complete" | "error") => {}
            other => self.fault(&format!("no such task status: {}", other.unwrap_or("none"))),
        }
        for part in ["details", "output"] {
            if !task[part].is_null() && task[part]["type"] != "rich_text" {
                self.fault(&format!("{part} must be rich_text"));
            }
        }
    }

    fn table(&mut self, block: &Value) {
        let mut text = 0;
        for row in self.list(&block["rows"], "rows", limits::TABLE_ROWS) {
            let cells = self.list(row, "cells", limits::TABLE_COLUMNS);
            for cell in cells {
                text += text_length(cell);
                if !matches!(cell["type"].as_str(), Some("raw_text" | "rich_text")) {
                    self.fault("a cell must be raw_text or rich_text");
                }
            }
        }
        self.count("characters in a table", text, limits::TABLE_TEXT);
    }

    fn input(&mut self, block: &Value) {
        self.text(
            &block["label"],
            "label",
            limits::INPUT_LABEL,
            &["plain_text"],
        );
        self.identifier(&block["element"]["action_id"], "action_id");
        match block["element"]["type"].as_str().unwrap_or_default() {
            "plain_text_input" | "number_input" | "email_text_input" | "url_text_input"
            | "rich_text_input" => {}
            _ => self.element(&block["element"]),
        }
    }
}

/// What is wrong with the entries that an app tells of a menu.
pub(crate) fn option_faults(options: &[Value]) -> Vec<String> {
    let mut check = Check {
        faults: Vec::new(),
        place: Place::View,
        identifiers: BTreeSet::new(),
        at: "/options".to_owned(),
    };
    check.count("options", options.len(), limits::OPTIONS);
    for option in options {
        check.option(option);
    }
    check.faults
}

/// What is wrong with a person's page.
pub(crate) fn home_faults(view: &Value) -> Vec<String> {
    let blocks = view["blocks"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let kind = (view["type"] != "home").then(|| "type must be home".to_owned());
    let fields = ["title", "submit", "close"]
        .into_iter()
        .filter(|field| !view[*field].is_null())
        .map(|field| format!("a page has no {field}"));
    let in_blocks = faults(blocks, Place::View)
        .into_iter()
        .map(|fault| fault.message);
    kind.into_iter().chain(fields).chain(in_blocks).collect()
}

/// Everything wrong with a view; empty where Slack would show it.
pub(crate) fn view_faults(view: &Value) -> Vec<String> {
    let mut check = Check {
        faults: Vec::new(),
        place: Place::View,
        identifiers: BTreeSet::new(),
        at: "/view".to_owned(),
    };
    if view["type"] != "modal" {
        check.fault("type must be modal");
    }
    check.text(&view["title"], "title", limits::VIEW_TITLE, &["plain_text"]);
    for label in ["submit", "close"] {
        if !view[label].is_null() {
            check.text(&view[label], label, limits::VIEW_TITLE, &["plain_text"]);
        }
    }
    check.identifier(&view["callback_id"], "callback_id");
    if let Some(metadata) = view["private_metadata"].as_str() {
        check.length(metadata, "private_metadata", limits::PRIVATE_METADATA);
    }
    let blocks = view["blocks"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let has_input = blocks.iter().any(|block| block["type"] == "input");
    if has_input && view["submit"].is_null() {
        check.fault("a view with inputs needs submit");
    }
    let in_blocks = faults(blocks, Place::View)
        .into_iter()
        .map(|fault| fault.message);
    check.faults.into_iter().chain(in_blocks).collect()
}
