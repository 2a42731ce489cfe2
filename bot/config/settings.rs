//! Every setting, as a table: its name in the environment and in the file, what it is for, and what it is when nobody sets it.

/// Whether a value may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// It may.
    Open,
    /// It is masked wherever it is printed.
    Secret,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the environment.
    pub variable: &'static str,
    /// Its key in `deckhand.toml`.
    pub key: &'static str,
    /// What it is when nobody sets it; empty for none.
    pub default: &'static str,
    /// Whether it may be printed.
    pub exposure: Exposure,
    /// What it is for, its unit and its limits.
    pub about: &'static str,
}

const fn open(
    variable: &'static str,
    key: &'static str,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        variable,
        key,
        default,
        exposure: Exposure::Open,
        about,
    }
}

const fn secret(variable: &'static str, key: &'static str, about: &'static str) -> Setting {
    Setting {
        variable,
        key,
        default: "",
        exposure: Exposure::Secret,
        about,
    }
}

/// Every setting there is, in the order of the reference.
pub const SETTINGS: &[Setting] = &[
    open(
        "DECKHAND_LISTEN",
        "listen",
        "127.0.0.1:8080",
        "Address and port of the doors and pages.",
    ),
    open(
        "DECKHAND_DOORS_LISTEN",
        "doors_listen",
        "127.0.0.1:8081",
        "Address and port of `deckhand-doors`, where the doors are a process of their own. The bot itself listens where it does without them.",
    ),
    open(
        "DECKHAND_PUBLIC_URL",
        "public_url",
        "",
        "How people and platforms reach this server; links are made with it. Default: `http://` and the listening address.",
    ),
    open(
        "DECKHAND_DATABASE_URL",
        "database_url",
        "",
        "`sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/NAME` for a PostgreSQL server of version 15 or newer. Default: `deckhand.sqlite` in the data folder.",
    ),
    open(
        "DECKHAND_DATA_DIR",
        "data_dir",
        "./.deckhand",
        "Folder for the database, mirrors of repositories, quarantined commits, sockets of sandboxes and pictures. Keep it short: sockets below it have paths of at most 107 bytes.",
    ),
    open(
        "DECKHAND_INSTANCE",
        "instance",
        "deckhand",
        "Name of this installation on its container engine; two installations on one engine need two names.",
    ),
    secret(
        "DECKHAND_SECRET",
        "secret",
        "Key of the signatures in links to task pages. Default: made once and kept in the data folder.",
    ),
    secret(
        "DECKHAND_ENCRYPTION_KEYS",
        "encryption_keys",
        "Keys that stored tokens are sealed with: 32 random bytes in Base64 each, or paths of files with such keys, separated by commas, the newest first. Default: one is made and kept in the data folder, which is enough for one machine.",
    ),
    secret(
        "DECKHAND_API_TOKENS",
        "api.tokens",
        "Tokens of the REST API, as `<name>:<token>` separated by commas, 20 at the most. A token has at least 32 letters, figures and `-._~+/=`; its name stands in threads and in the audit log, and whoever has it may look at every task and cancel it. Default: none, so that the API is not there.",
    ),
    open(
        "DECKHAND_LOG",
        "log",
        "info,rmcp=warn",
        "What is logged: a level, or a filter such as `deckhand=debug`.",
    ),
    open(
        "DECKHAND_LOG_FORMAT",
        "log_format",
        "text",
        "`text` for people or `json` for machines.",
    ),
    secret(
        "SLACK_BOT_TOKEN",
        "slack.bot_token",
        "The app's bot token for one workspace, `xoxb-…`. With it, or with the client identifier, the Slack side is on.",
    ),
    secret(
        "SLACK_SIGNING_SECRET",
        "slack.signing_secret",
        "Checks that requests come from Slack, where it reaches Deckhand by HTTPS. Where Slack is on, this or the app token is needed.",
    ),
    secret(
        "SLACK_APP_TOKEN",
        "slack.app_token",
        "The app-level token, `xapp-…`, with the scope `connections:write`. With it, Socket Mode is on: Deckhand opens the connections, and no port has to be open to the internet.",
    ),
    open(
        "SLACK_CLIENT_ID",
        "slack.client_id",
        "",
        "The app's client identifier. With it, workspaces and organisations can install the app at `/slack/install`, each with a token of its own; the bot token is not needed then.",
    ),
    secret(
        "SLACK_CLIENT_SECRET",
        "slack.client_secret",
        "The app's client secret.",
    ),
    open(
        "SLACK_INSTALL_TEAMS",
        "slack.install_teams",
        "",
        "Workspaces and organisations that may install the app: identifiers such as `T0ACME` or `E0ACME`, separated by commas; `*` for every one that finds the address. Their members can do here what `DECKHAND_PEOPLE` lets them. Default: none.",
    ),
    open(
        "SLACK_CONNECTIONS",
        "slack.connections",
        "2",
        "The most connections that Socket Mode keeps open, 1 to 10. Slack allows an app ten, which replicas share: each has an equal part, and no more than this. With two, one is there while the other is renewed.",
    ),
    open(
        "SLACK_RATE_FACTOR",
        "slack.rate_factor",
        "1",
        "How many times the calls a minute that Slack publishes for a method are made in a workspace, 1 to 1000. Slack grants some apps more than it publishes. What it refuses is obeyed in any case.",
    ),
    open(
        "SLACK_API_URL",
        "slack.api_url",
        "https://slack.com/api",
        "Base address of Slack's Web API.",
    ),
    open(
        "LINEAR_CLIENT_ID",
        "linear.client_id",
        "",
        "The Linear application's identifier. With it, the Linear side is on.",
    ),
    secret(
        "LINEAR_CLIENT_SECRET",
        "linear.client_secret",
        "The Linear application's secret.",
    ),
    secret(
        "LINEAR_WEBHOOK_SECRET",
        "linear.webhook_secret",
        "Checks that webhooks come from Linear.",
    ),
    open(
        "LINEAR_API_URL",
        "linear.api_url",
        "https://api.linear.app",
        "Base address of Linear; `/graphql` and `/oauth/token` are below it.",
    ),
    open(
        "LINEAR_UPLOADS_URL",
        "linear.uploads_url",
        "https://uploads.linear.app",
        "Where Linear keeps the files of issues and comments. Only what lies below it is read as one, and gets the token.",
    ),
    open(
        "GITHUB_APP_ID",
        "github.app_id",
        "",
        "The GitHub App's number. Preferred to a token.",
    ),
    secret(
        "GITHUB_APP_PRIVATE_KEY",
        "github.app_private_key",
        "The GitHub App's private key: PEM text, or the path of a file with it.",
    ),
    secret(
        "GITHUB_TOKEN",
        "github.token",
        "A personal token, for one person's own installation. Used where no App is set.",
    ),
    secret(
        "GITHUB_WEBHOOK_SECRET",
        "github.webhook_secret",
        "Checks that webhooks come from GitHub.",
    ),
    open(
        "GITHUB_API_URL",
        "github.api_url",
        "https://api.github.com",
        "Base address of GitHub's REST API; another one for GitHub Enterprise Server.",
    ),
    open(
        "GITHUB_URL",
        "github.url",
        "https://github.com",
        "Base address of repositories: clone and push go to `<this>/<owner>/<name>.git`.",
    ),
    secret(
        "ANTHROPIC_API_KEY",
        "anthropic.api_key",
        "Key of Anthropic's API. It never enters a sandbox.",
    ),
    open(
        "ANTHROPIC_BASE_URL",
        "anthropic.base_url",
        "https://api.anthropic.com",
        "Base address of Anthropic's API.",
    ),
    secret(
        "OPENAI_API_KEY",
        "openai.api_key",
        "Key of OpenAI's API, or of one that speaks the same. It never enters a sandbox.",
    ),
    open(
        "OPENAI_BASE_URL",
        "openai.base_url",
        "https://api.openai.com/v1",
        "Base address of OpenAI's API, with its version.",
    ),
    secret(
        "GEMINI_API_KEY",
        "gemini.api_key",
        "Key of Google's Gemini API. It never enters a sandbox.",
    ),
    open(
        "GOOGLE_GEMINI_BASE_URL",
        "gemini.base_url",
        "https://generativelanguage.googleapis.com",
        "Base address of Google's Gemini API.",
    ),
    open(
        "DECKHAND_AGENT",
        "agent.default",
        "",
        "Agent of tasks that name none: `claude`, `codex`, `gemini`, `opencode`, `goose`. Default: the one of the provider whose key is set.",
    ),
    open(
        "DECKHAND_MODEL",
        "agent.model",
        "",
        "Model of tasks that name none. Default: the agent's own.",
    ),
    open(
        "DECKHAND_IMAGE_PREFIX",
        "agent.image_prefix",
        "deckhand-sandbox:",
        "Images of sandboxes: this and the agent's name.",
    ),
    open(
        "DECKHAND_DOCKER_HOST",
        "sandbox.docker_host",
        "",
        "Address of the Docker engine. Default: the local socket.",
    ),
    open(
        "DECKHAND_RUNTIME",
        "sandbox.runtime",
        "",
        "OCI runtime of sandboxes: `runsc` (with `--host-uds=open` and `--network=none` in its arguments), `kata`. Default: the engine's.",
    ),
    open(
        "DECKHAND_SANDBOX_MEMORY_MB",
        "sandbox.memory_mb",
        "4096",
        "Memory of one sandbox, in MiB.",
    ),
    open(
        "DECKHAND_SANDBOX_PROCESSORS",
        "sandbox.processors",
        "2",
        "Processors of one sandbox.",
    ),
    open(
        "DECKHAND_SANDBOX_DISK_GB",
        "sandbox.disk_gb",
        "10",
        "What the files of one task may take of the engine's disk, in GiB; a sandbox that fills it is ended.",
    ),
    open(
        "DECKHAND_POLICY_FILE",
        "sandbox.policy_file",
        "",
        "File with the network policy (JSON; `deckhand policy schema` prints its form): what sandboxes may reach, by host, port, method, path and phase. Read again when it changes. Default: none, so that nothing is reached beside the model and the hosts below.",
    ),
    open(
        "DECKHAND_REGISTRY_HOSTS",
        "sandbox.registry_hosts",
        "",
        "Hosts that setup commands may reach, separated by commas: the package registries of your repositories. The simplest policy; what the policy file says comes beside it. Default: none. Work and proof reach none of them.",
    ),
    open(
        "DECKHAND_UPSTREAM_PROXY",
        "sandbox.upstream_proxy",
        "",
        "HTTP proxy through which the egress proxy reaches those hosts, where the network needs one.",
    ),
    open(
        "DECKHAND_PARALLEL_TASKS",
        "limits.parallel_tasks",
        "3",
        "Tasks that use the machine at once; others wait in line. Tasks that wait for a person do not count.",
    ),
    open(
        "DECKHAND_RUN_MINUTES",
        "limits.run_minutes",
        "240",
        "Longest time of one run, in minutes. A run that takes longer fails.",
    ),
    open(
        "DECKHAND_TASK_MINUTES",
        "limits.task_minutes",
        "240",
        "Longest time that a task works before it asks whether to go on, in minutes; its runs and checks count, the time in which it waits for people or for its turn does not. At four fifths the thread is told. A repository may have another one.",
    ),
    open(
        "DECKHAND_HEARTBEAT_SECONDS",
        "limits.heartbeat_seconds",
        "15",
        "How long a run may say nothing before the container engine is asked whether it lives, in seconds, at most 20. A sandbox that is gone is noticed within this and ten seconds.",
    ),
    open(
        "DECKHAND_SILENCE_MINUTES",
        "limits.silence_minutes",
        "10",
        "Longest silence of an agent whose sandbox lives, in minutes: at half of it the thread is told, at its end the run is ended and its work kept. The same for a container engine that does not answer.",
    ),
    open(
        "DECKHAND_SPEND_DOLLARS",
        "limits.spend_dollars",
        "10",
        "Most that one task may spend on models, in US dollars. Crossing it asks first.",
    ),
    open(
        "DECKHAND_REWORK_ROUNDS",
        "limits.rework_rounds",
        "2",
        "How often a result that is not met goes back to the agent.",
    ),
    open(
        "DECKHAND_CHECK_MINUTES",
        "limits.check_minutes",
        "15",
        "Longest time of one check, in minutes.",
    ),
    open(
        "DECKHAND_WAIT_DAYS",
        "limits.wait_days",
        "14",
        "How long a plan or question waits for a person before the task expires, in days.",
    ),
    open(
        "DECKHAND_REMIND_HOURS",
        "limits.remind_hours",
        "24",
        "After how many hours of waiting the person is reminded of a plan or question, once; 0 for never.",
    ),
    open(
        "DECKHAND_KEEP_LOGS_DAYS",
        "retention.logs_days",
        "90",
        "How long the logs of a task are kept after its end, in days; `0` for ever.",
    ),
    open(
        "DECKHAND_KEEP_ARTIFACTS_DAYS",
        "retention.artifacts_days",
        "90",
        "How long the pictures of a task are kept after its end, in days; `0` for ever.",
    ),
    open(
        "DECKHAND_CANCELED_WORK",
        "retention.canceled_work",
        "keep",
        "What becomes of the work of a task that is cancelled or that nobody decides on in time: `keep` keeps it on the server as long as snapshots, on a branch of its own, and `deckhand task work` hands it out; `drop` removes it with its sandbox.",
    ),
    open(
        "DECKHAND_KEEP_SNAPSHOTS_DAYS",
        "retention.snapshots_days",
        "30",
        "How long the work tree, the session and the unpushed commits of a failed task are kept for another try, in days, and the kept work of a cancelled or expired one; `0` for ever. Everything else of a task that is over goes at once.",
    ),
    open(
        "DECKHAND_KEEP_DELIVERIES_DAYS",
        "retention.deliveries_days",
        "90",
        "How long handled deliveries and effects are kept, in days, at least 7, because platforms send again what they think was lost; `0` for ever.",
    ),
    open(
        "DECKHAND_PEOPLE",
        "policy.people",
        "",
        "Who may start, steer, approve and cancel: identifiers such as `slack:T1:U1`, separated by commas. Default: every full member.",
    ),
    open(
        "DECKHAND_SECOND_PERSON",
        "policy.second_person",
        "false",
        "Whether somebody else than the requester has to approve.",
    ),
    open(
        "DECKHAND_NETWORK_PEOPLE",
        "policy.network_people",
        "",
        "Who may decide about hosts that a sandbox was refused: identifiers as in `DECKHAND_PEOPLE`. Default: whoever may approve.",
    ),
    open(
        "DECKHAND_NETWORK_SECOND_PERSON",
        "policy.network_second_person",
        "false",
        "Whether nobody decides about the network of a task that they asked for themselves.",
    ),
];
