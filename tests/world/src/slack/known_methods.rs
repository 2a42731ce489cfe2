//! The methods that a bot like ours calls, as this project knows them: arguments with their types, and scopes.
//!
//! They serve where Slack's published descriptions are not at hand. Where they are, a test compares both.

/// One method. Lists are words with blanks between them; a type follows its argument after a colon, and an argument
/// without one takes anything.
pub(super) struct Known {
    pub(super) method: &'static str,
    pub(super) required: &'static str,
    pub(super) optional: &'static str,
    /// Scopes of which a bot needs one; empty where it needs none.
    pub(super) scopes: &'static str,
}

/// All of them.
pub(super) const KNOWN: &[Known] = &[
    Known {
        method: "api.test",
        required: "",
        optional: "error:text",
        scopes: "",
    },
    Known {
        method: "auth.test",
        required: "",
        optional: "",
        scopes: "",
    },
    Known {
        method: "chat.postMessage",
        required: "channel:text",
        optional: "as_user:flag attachments blocks current_draft_last_updated_ts:text icon_emoji icon_url link_names:flag markdown_text:text metadata mrkdwn:flag parse reply_broadcast:flag text thread_ts unfurl_links:flag unfurl_media:flag username",
        scopes: "chat:write",
    },
    Known {
        method: "chat.update",
        required: "channel:text ts:text",
        optional: "as_user attachments blocks file_ids:list link_names markdown_text:text metadata parse reply_broadcast:flag text unfurled_attachments",
        scopes: "chat:write",
    },
    Known {
        method: "chat.postEphemeral",
        required: "channel:text user",
        optional: "as_user:flag attachments blocks icon_emoji:text icon_url:text link_names:flag markdown_text:text parse text thread_ts username:text",
        scopes: "chat:write",
    },
    Known {
        method: "chat.delete",
        required: "channel:text ts:text",
        optional: "as_user:flag",
        scopes: "chat:write",
    },
    Known {
        method: "chat.getPermalink",
        required: "channel:text message_ts:text",
        optional: "",
        scopes: "",
    },
    Known {
        method: "conversations.replies",
        required: "channel:text ts:text",
        optional: "cursor:text include_all_metadata:flag inclusive:flag latest:text limit:number oldest:text",
        scopes: "channels:history groups:history im:history mpim:history",
    },
    Known {
        method: "conversations.history",
        required: "channel:text",
        optional: "cursor:text include_all_metadata:flag inclusive:flag latest:text limit:number oldest:text",
        scopes: "channels:history groups:history im:history mpim:history",
    },
    Known {
        method: "conversations.info",
        required: "channel:text",
        optional: "include_locale:flag include_num_members:flag",
        scopes: "channels:read groups:read im:read mpim:read",
    },
    Known {
        method: "conversations.open",
        required: "",
        optional: "channel prevent_creation:flag return_im:flag users:text",
        scopes: "channels:manage groups:write im:write mpim:write",
    },
    Known {
        method: "reactions.add",
        required: "channel:text name:text timestamp:text",
        optional: "",
        scopes: "reactions:write",
    },
    Known {
        method: "reactions.remove",
        required: "name:text",
        optional: "channel:text file:text file_comment:text timestamp:text",
        scopes: "reactions:write",
    },
    Known {
        method: "reactions.get",
        required: "",
        optional: "channel:text file:text file_comment:text full:flag timestamp:text",
        scopes: "reactions:read",
    },
    Known {
        method: "users.info",
        required: "user:text",
        optional: "include_locale:flag",
        scopes: "users:read",
    },
    Known {
        method: "users.lookupByEmail",
        required: "email:text",
        optional: "",
        scopes: "users:read.email",
    },
    Known {
        method: "team.info",
        required: "",
        optional: "domain:text team:text",
        scopes: "team:read",
    },
    Known {
        method: "files.getUploadURLExternal",
        required: "filename:text length:number",
        optional: "alt_txt:text snippet_type:text",
        scopes: "files:write",
    },
    Known {
        method: "files.completeUploadExternal",
        required: "files:list",
        optional: "blocks:text channel_id channels:text initial_comment:text thread_ts:text",
        scopes: "files:write",
    },
    Known {
        method: "files.info",
        required: "file:text",
        optional: "count:number cursor:text limit:number page:number",
        scopes: "files:read",
    },
    Known {
        method: "views.open",
        required: "view",
        optional: "interactivity_pointer trigger_id",
        scopes: "",
    },
    Known {
        method: "views.update",
        required: "view",
        optional: "external_id:text hash:text view_id:text",
        scopes: "",
    },
    Known {
        method: "views.publish",
        required: "user_id:text view",
        optional: "hash:text",
        scopes: "",
    },
    Known {
        method: "assistant.threads.setStatus",
        required: "channel_id:text status:text thread_ts:text",
        optional: "icon_emoji:text icon_url:text loading_messages:list username:text",
        scopes: "chat:write",
    },
];
