//! Files: announced by `files.getUploadURLExternal`, sent to its address, shared by `files.completeUploadExternal`.

use serde_json::{Value, json};

use super::{Done, Refusal, Result, thread_of};
use crate::slack::arguments::Arguments;
use crate::slack::delivery::Parcel;
use crate::slack::directory::{BOT_USER, Membership};
use crate::slack::file::File;
use crate::slack::ids::{ChannelId, FileId, Ts, UserId};
use crate::slack::workspace::{Draft, Workspace};
use crate::slack::{events, limits};

pub(super) fn get_upload_url(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let length = arguments.number("length").unwrap_or_default();
    if length == 0 {
        return Err(Refusal::caller(
            "missing_argument",
            "length must be more than 0",
        ));
    }
    if length > limits::FILE_BYTES {
        return Err(Refusal::state("file_upload_size_restricted"));
    }
    let alt = arguments.text_or_empty("alt_txt");
    if alt.chars().count() > limits::FILE_ALT {
        return Err(Refusal::caller(
            "alt_txt_too_large",
            format!("alt_txt, at most {}", limits::FILE_ALT),
        ));
    }
    let id = FileId::from(format!("F{:06}", workspace.next_serial()));
    let name = arguments.text_or_empty("filename");
    let user = UserId::from(BOT_USER);
    workspace.files.insert(
        id.clone(),
        File {
            id: id.clone(),
            title: name.clone(),
            name,
            alt,
            user,
            length,
            content: None,
        },
    );
    let url = format!("{}/upload/{id}", workspace.address);
    Ok(Done::quietly(json!({ "upload_url": url, "file_id": id })))
}

pub(super) fn complete_upload(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let entries = uploaded(workspace, arguments)?;
    for (id, title) in &entries {
        if let (Some(file), Some(title)) = (workspace.files.get_mut(id), title) {
            file.title.clone_from(title);
        }
    }
    let ids: Vec<FileId> = entries.into_iter().map(|(id, _)| id).collect();
    let mut parcels = Vec::new();
    if let Some(channel) = arguments.text("channel_id") {
        let channel = workspace
            .channels
            .iter()
            .find(|known| known.id.as_str() == channel);
        let channel = channel.ok_or_else(|| Refusal::state("channel_not_found"))?;
        if channel.bot == Membership::Absent {
            return Err(Refusal::state("not_in_channel"));
        }
        let channel = channel.id.clone();
        // The method documents no error of its own for a thread that is not there.
        let thread = thread_of(workspace, &channel, arguments).map_err(|refusal| Refusal {
            code: "invalid_channel",
            ..refusal
        })?;
        let comment = arguments.text_or_empty("initial_comment");
        parcels = share(workspace, &channel, thread, &comment, ids.clone());
    }
    let files: Vec<Value> = ids
        .iter()
        .filter_map(|id| workspace.file(id))
        .map(|file| json!({ "id": file.id, "title": file.title }))
        .collect();
    Ok(Done {
        body: json!({ "files": files }),
        parcels,
    })
}

/// The files that a call names, each with its title; all must have arrived whole.
fn uploaded(workspace: &Workspace, arguments: &Arguments) -> Result<Vec<(FileId, Option<String>)>> {
    let named = arguments.json("files").ok().flatten();
    let named = named.as_ref().and_then(Value::as_array);
    let named =
        named.ok_or_else(|| Refusal::caller("invalid_arguments", "files must be an array"))?;
    let mut entries = Vec::new();
    for entry in named {
        let id = FileId::from(entry["id"].as_str().unwrap_or_default());
        match workspace.file(&id) {
            Some(file) if file.content.is_some() => {}
            Some(_) => {
                return Err(Refusal::caller(
                    "file_not_found",
                    format!("{id} was announced but not sent"),
                ));
            }
            None => return Err(Refusal::state("file_not_found")),
        }
        entries.push((id, entry["title"].as_str().map(str::to_owned)));
    }
    Ok(entries)
}

/// Posts a message of the bot that shows files.
fn share(
    workspace: &mut Workspace,
    channel: &ChannelId,
    thread: Option<Ts>,
    comment: &str,
    files: Vec<FileId>,
) -> Vec<Parcel> {
    let draft = Draft {
        thread,
        files,
        ..Draft::text(channel.clone(), BOT_USER.into(), comment)
    };
    let message = workspace.post(draft);
    events::of_new_message(workspace, &message, &[])
}

pub(super) fn info(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let id = FileId::from(arguments.text_or_empty("file"));
    let file = workspace
        .file(&id)
        .ok_or_else(|| Refusal::state("file_not_found"))?;
    let mut wire = file.wire(workspace);
    let mut shares = json!({});
    for message in workspace
        .messages
        .values()
        .filter(|message| message.files.contains(&id))
    {
        let mut share = json!({ "ts": message.ts });
        if let Some(root) = &message.thread {
            share["thread_ts"] = json!(root);
        }
        shares["public"][message.channel.as_str()] = json!([share]);
    }
    wire["shares"] = shares;
    Ok(Done::quietly(json!({ "file": wire })))
}
