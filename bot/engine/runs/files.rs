//! Files of the conversation: laid into the agent's home before a run begins, or beside the words that steer it. What lies
//! there already is left as it is.

use std::{collections::BTreeMap, time::Duration};

use deckhand_executors::{SandboxName, sandbox::Exec};
use sha2::{Digest as _, Sha256};

use super::{Context, Fault, sandbox};
use crate::{
    domain::{
        RunNumber,
        attachment::SIZE_MAX_BYTES,
        conversation::{FileRef, LineRef},
        effect::Assignment,
        event::Event,
        task::Task,
    },
    engine::dispatch::work_delivery,
    redact::Sought,
    surface::{FILE_TOO_LARGE, SurfaceError},
    words,
};

/// Where the files lie in the sandbox.
const FOLDER: &str = "/home/agent/attachments";
/// How long one file may take to be laid there.
const PLACED_WITHIN: Duration = Duration::from_mins(1);
/// The longest answer about what lies there, in bytes: more than the paths of all files have.
const ANSWER_MAX_BYTES: usize = 16 << 10;
/// The longest name of a file, in characters.
const NAME_MAX_CHARS: usize = 80;
/// Says which of the given files there are.
const LOOK: &str = "for one; do if [ -f \"$one\" ]; then printf '%s\\n' \"$one\"; fi; done";
/// Puts a file of so many bytes in its place at once. What reads its input to the end cannot tell the end of a file from the
/// end of the bot, so the bytes are counted, and half of a file is never taken for a whole one. Each try has a name of its own,
/// because an earlier one may still be at work.
const PUT: &str = "folder=$(dirname \"$1\") && mkdir -p \"$folder\" && part=\"$folder/.part-$$\" && cat > \"$part\" \
     && if [ \"$(wc -c < \"$part\")\" -eq \"$2\" ]; then mv -f \"$part\" \"$1\"; else rm -f \"$part\"; exit 1; fi";

/// What became of the files.
#[derive(Debug, Default)]
pub struct Placed {
    /// Where they are, in the order in which people sent them.
    pub paths: Vec<String>,
    /// Those among them that the agent has not been told of.
    pub fresh: Vec<String>,
    /// The names of those of the request that could not be read, for the plan.
    pub unread: Vec<String>,
}

/// Lays every file of a task into a sandbox that has the agent's home.
pub async fn place(
    context: &Context,
    task: &Task,
    name: &SandboxName,
    (run, assignment): (RunNumber, Option<&Assignment>),
) -> Result<Placed, Fault> {
    let mut placed = Placed::default();
    let wanted: Vec<(String, &LineRef, &FileRef)> = task
        .attachments()
        .into_iter()
        .map(|(line, file)| (path_of(file), line, file))
        .collect();
    if wanted.is_empty() {
        return Ok(placed);
    }
    let paths = wanted.iter().map(|(path, ..)| path.clone());
    let look = ["sh", "-c", LOOK, "look"].map(str::to_owned);
    let look = exec(look.into_iter().chain(paths).collect(), Vec::new());
    let there = sandbox::succeed(context, name, look, "looking for the files").await?;
    let mut gone = Gone::default();
    let is_planned = matches!(
        assignment,
        Some(Assignment::Plan | Assignment::Inquire { .. })
    );
    for (path, line, file) in wanted {
        let is_new = task.is_new_to(run, file);
        if !there.lines().any(|known| known == path) {
            let bytes = context.surfaces.download(line, file, SIZE_MAX_BYTES).await;
            let bytes = match bytes {
                Ok(bytes) => without_held_secrets(context, bytes),
                // It was deleted, lies elsewhere, or is larger than was said: the work goes on, and people hear of it.
                Err(error @ SurfaceError::Permanent { .. }) => {
                    tracing::info!(task = %task.id, %error, "an attached file could not be read");
                    if is_new {
                        gone.add(file, &error);
                    } else if is_planned {
                        placed.unread.push(file.name.clone());
                    }
                    continue;
                }
                Err(error) => return Err(Fault::of_surface(error, &line.0)),
            };
            let size = bytes.len().to_string();
            let put = ["sh", "-c", PUT, "put", &path, &size];
            let put = put.map(str::to_owned).to_vec();
            let put = exec(put, bytes);
            sandbox::succeed(context, name, put, "placing a file of the conversation").await?;
        }
        if is_new {
            placed.fresh.push(path.clone());
        }
        placed.paths.push(path);
    }
    if gone != Gone::default() {
        tell_gone(context, task, run, gone).await?;
    }
    Ok(placed)
}

/// Files of replies that a run does not get.
#[derive(Debug, Default, PartialEq)]
struct Gone {
    files: Vec<FileRef>,
    too_large: Vec<FileRef>,
}

impl Gone {
    fn add(&mut self, file: &FileRef, error: &SurfaceError) {
        let is_too_large =
            matches!(error, SurfaceError::Permanent { code, .. } if code == FILE_TOO_LARGE);
        let kind = if is_too_large {
            &mut self.too_large
        } else {
            &mut self.files
        };
        kind.push(file.clone());
    }
}

/// Tells the task which files of replies this run does not get. It is told once of each.
async fn tell_gone(
    context: &Context,
    task: &Task,
    run: RunNumber,
    gone: Gone,
) -> Result<(), Fault> {
    let Gone { files, too_large } = gone;
    let each = files.iter().chain(&too_large);
    let handles: Vec<&str> = each.map(|file| file.handle.as_str()).collect();
    let which = hex::encode(Sha256::digest(handles.join("\n")));
    let key = format!("run:{}:{run}:gone:{}", task.id, &which[..8]);
    let event = Event::FilesGone {
        run,
        files,
        too_large,
    };
    Ok(context.accept(work_delivery(task, key, event)).await?)
}

/// Lays files that came with words into the sandbox of the run that the words steer, and says where they are.
pub async fn beside(
    context: &Context,
    task: &Task,
    run: RunNumber,
    handles: &[String],
) -> Result<String, Fault> {
    let name = sandbox::run_name(&task.id, run);
    let placed = place(context, task, &name, (run, None)).await?;
    let attachments = task.attachments().into_iter();
    let meant: Vec<String> = attachments
        .filter(|(_, file)| handles.contains(&file.handle))
        .map(|(_, file)| path_of(file))
        .filter(|path| placed.paths.contains(path))
        .collect();
    if meant.is_empty() {
        return Ok(String::new());
    }
    words::files_beside(&meant).map_err(Fault::of_words)
}

fn exec(command: Vec<String>, input: Vec<u8>) -> Exec {
    Exec {
        command,
        environment: BTreeMap::new(),
        working_directory: "/".to_owned(),
        input,
        timeout: PLACED_WITHIN,
        output_limit_bytes: ANSWER_MAX_BYTES,
    }
}

/// Where a file lies: under its own name, as far as that is harmless, behind letters that no other file has.
fn path_of(file: &FileRef) -> String {
    let own = hex::encode(Sha256::digest(&file.handle));
    let name: String = file
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '_'
            }
        })
        .take(NAME_MAX_CHARS)
        .collect();
    let name = name.trim_start_matches('.');
    format!("{FOLDER}/{}-{name}", &own[..8])
}

/// A file of text without any secret that this process holds; another file as it is.
fn without_held_secrets(context: &Context, bytes: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(text) => {
            let mut text = serde_json::Value::String(text);
            context.redactor.redact_value(&mut text, Sought::Held);
            text.as_str().unwrap_or_default().as_bytes().to_vec()
        }
        Err(other) => other.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str, handle: &str) -> String {
        path_of(&FileRef {
            name: name.to_owned(),
            media_type: "image/png".to_owned(),
            size_bytes: 1,
            handle: handle.to_owned(),
        })
    }

    #[test]
    fn two_files_of_one_name_have_two_places_and_no_name_leads_elsewhere() {
        assert_ne!(path("image.png", "F1"), path("image.png", "F2"));
        assert_eq!(path("image.png", "F1"), path("image.png", "F1"));
        for name in [
            "../../etc/passwd",
            ".bashrc",
            "a b\n\"$(id)`.png",
            "\u{202e}x",
        ] {
            let path = path(name, "F1");
            let rest = path
                .strip_prefix(&format!("{FOLDER}/"))
                .expect("it is there");
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(
                rest.chars().all(is_plain) && !rest.starts_with('.'),
                "{path}"
            );
        }
    }
}
