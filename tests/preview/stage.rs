//! Both platforms' stand-ins with the bot's own surfaces in front of them; each sample gets a thread and a session of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::Context as _;
use deckhand::{
    config::LinearConfig,
    domain::{
        TaskId,
        conversation::{ConversationId, PersonId},
        message::{Message, PlanCard},
        plan_edit::PlanEdit,
        preferences::Preferences,
        waiting::Asked,
    },
    linear, slack,
    surface::{Attempt, Form, NoTokens, Pending, PictureFile, SettingsForm, Words},
    words::{self, Issues, Links, Reactions},
};
use deckhand_world::{
    linear::{Linear as LinearWorld, LinearOptions, Session},
    models::picture,
    slack::{ChannelKind, Membership, Slack as SlackWorld, SlackOptions, TEAM_ID, Thread},
};
use secrecy::SecretString;
use serde_json::Value;

use crate::catalogue::{Opened, Sample, Shown, plan_card};

const TOKEN: &str = "xoxb-preview";
const TASK: &str = "k7f3";
const TASK_URL: &str = "https://deckhand.example.com/t/k7f3";
/// Whoever looks at it.
const READER: &str = "ana";

/// The stand-ins, and the bot's side of them.
pub struct Stage {
    slack_world: SlackWorld,
    slack: slack::Slack,
    linear_world: LinearWorld,
    linear: linear::Linear,
    /// How many channels were made.
    channels: AtomicU32,
}

/// What a sample looks like, as HTML; none where the surface does not have it.
pub struct Look {
    /// In Slack.
    pub slack: Option<String>,
    /// In Linear.
    pub linear: Option<String>,
}

impl Stage {
    pub async fn open() -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let slack_world = SlackWorld::start(SlackOptions {
            signing_secret: SecretString::from("preview"),
            bot_token: SecretString::from(TOKEN),
            port: 0,
            methods_dir: None,
        })
        .await?;
        let slack = slack::Slack::new(&slack_world.api_url(), SecretString::from(TOKEN))?;
        let linear_world = LinearWorld::start(LinearOptions::default()).await?;
        let options = LinearOptions::default();
        let config = LinearConfig {
            client_id: options.client_id,
            client_secret: options.client_secret,
            webhook_secret: options.webhook_secret,
            api_url: linear_world.api_url(),
            uploads_url: linear_world.uploads_url(),
        };
        let linear = linear::Linear::new(&config, Arc::new(NoTokens))?;
        Ok(Self {
            slack_world,
            slack,
            linear_world,
            linear,
            channels: AtomicU32::new(1),
        })
    }

    /// Shows a sample in both places.
    pub async fn show(&self, sample: &Sample) -> anyhow::Result<Look> {
        let look = async {
            anyhow::Ok(Look {
                slack: self.in_slack(sample).await.context("in Slack")?,
                linear: self.in_linear(sample).await.context("in Linear")?,
            })
        };
        look.await
            .with_context(|| format!("{}: {}", sample.chapter, sample.title))
    }

    /// What was done that the platforms forbid.
    pub fn violations(&self) -> Vec<String> {
        let mut all = self.slack_world.violations();
        all.extend(self.linear_world.violations());
        all
    }

    async fn in_slack(&self, sample: &Sample) -> anyhow::Result<Option<String>> {
        let (thread, conversation) = self.thread().await?;
        let reader = PersonId(format!("slack:{TEAM_ID}:UANA"));
        match &sample.shown {
            Shown::Said(messages) => {
                let mut standing = None;
                for message in messages {
                    let words = in_words(message, Reactions::Heard)?;
                    let said = self.slack.say(
                        &conversation,
                        "sample",
                        standing.as_ref(),
                        &words,
                        Attempt::First,
                    );
                    standing = Some(said.await?);
                }
            }
            Shown::Whispered(message) => {
                let words = in_words(message, Reactions::Heard)?;
                self.slack.whisper(&conversation, &reader, &words).await?;
            }
            Shown::Form(opened) => {
                let trigger = self.slack_world.trigger(READER)?;
                if matches!(opened, Opened::Settings) {
                    let form = settings_form();
                    let opening = self
                        .slack
                        .open_settings_form(&conversation, &trigger, &form);
                    opening.await?;
                    return self.slack_world.still_view(READER);
                }
                match form(*opened)? {
                    Form::Request { known } => {
                        self.slack.open_request_form(&trigger, known).await?;
                    }
                    form => {
                        let about = (&conversation, &TaskId(TASK.to_owned()));
                        self.slack.open_form(&trigger, about, &form).await?;
                    }
                }
                return self.slack_world.still_view(READER);
            }
            Shown::Pictures => {
                let pictures = pictures();
                self.slack
                    .show_pictures(&conversation, &pictures, Attempt::First)
                    .await?;
            }
            Shown::Home(home) => {
                let page = words::home_page(&serde_json::from_value(home.clone())?);
                self.slack.show_home(&reader, &page).await?;
                return self.slack_world.still_home(READER);
            }
        }
        Ok(Some(self.slack_world.still_thread(&thread, READER)?))
    }

    async fn in_linear(&self, sample: &Sample) -> anyhow::Result<Option<String>> {
        match &sample.shown {
            Shown::Home(_) | Shown::Form(Opened::Request | Opened::Settings | Opened::Team) => {
                return Ok(None);
            }
            Shown::Said(messages) if messages.iter().any(|one| one["message"] == "requested") => {
                return Ok(None);
            }
            Shown::Whispered(message) if message["message"] == "cannot_post" => return Ok(None),
            Shown::Said(_) | Shown::Whispered(_) | Shown::Form(_) | Shown::Pictures => {}
        }
        let (session, conversation) = self.session()?;
        match &sample.shown {
            Shown::Said(messages) => {
                if messages[0]["beside"] == true {
                    self.beside_a_plan(&conversation, &messages[0]).await?;
                    return Ok(Some(session.html()));
                }
                if messages[0]["message"] == "reminder" {
                    // It is said in a session that waits.
                    let card = in_words(&plan_card(), Reactions::Unheard)?;
                    let said = self
                        .linear
                        .say(&conversation, "card", None, &card, Attempt::First);
                    said.await?;
                }
                let mut standing = None;
                for message in messages {
                    let words = in_words(message, Reactions::Unheard)?;
                    let said = self.linear.say(
                        &conversation,
                        "sample",
                        standing.as_ref(),
                        &words,
                        Attempt::First,
                    );
                    standing = Some(said.await?);
                }
            }
            Shown::Whispered(message) => {
                let words = in_words(message, Reactions::Unheard)?;
                let reader = linear::ids::person("ana");
                self.linear.whisper(&conversation, &reader, &words).await?;
            }
            Shown::Form(opened) => {
                let form = form(*opened)?;
                self.linear
                    .open_form(&conversation, "sample", &form)
                    .await?;
            }
            Shown::Pictures => {
                let pictures = pictures();
                self.linear
                    .show_pictures(&conversation, &pictures, Attempt::First)
                    .await?;
            }
            Shown::Home(_) => {}
        }
        Ok(Some(session.html()))
    }

    /// Says something by the way in a session whose plan waits.
    async fn beside_a_plan(
        &self,
        conversation: &ConversationId,
        message: &Value,
    ) -> anyhow::Result<()> {
        let card = in_words(&plan_card(), Reactions::Unheard)?;
        let said = self
            .linear
            .say(conversation, "card", None, &card, Attempt::First);
        said.await?;
        let asked = Asked::Plan {
            revision: 1,
            title: "Respect the offset for long pages".to_owned(),
        };
        let pending = Pending {
            sentence: words::still_asked(Some(&asked), &links(Reactions::Unheard))?,
            controls: card.controls,
        };
        let words = in_words(message, Reactions::Unheard)?;
        let floor = self.linear.floor(conversation).await?;
        let said = self.linear.say_on(
            floor,
            Some("sample"),
            &words,
            Some(&pending),
            Attempt::First,
        );
        said.await?;
        Ok(())
    }

    async fn thread(&self) -> anyhow::Result<(Thread, ConversationId)> {
        let text = "the offset parameter of /api/v2/users is ignored when limit is over 100";
        // The bot says little in one channel at once, so each sample has one of its own.
        let number = self.channels.fetch_add(1, Ordering::Relaxed);
        let channel = format!("sample{number}");
        self.slack_world
            .add_channel(&channel, ChannelKind::Public, Membership::Joined);
        let thread = self.slack_world.mention(READER, &channel, text).await?;
        let (channel, root) = (thread.channel().as_str(), thread.root().as_str());
        let conversation = slack::ids::conversation(TEAM_ID, channel, Some(root));
        Ok((thread, conversation))
    }

    fn session(&self) -> anyhow::Result<(Session, ConversationId)> {
        let issue = self.linear_world.create_issue(
            READER,
            "Offset is ignored",
            "When limit is over 100.",
        )?;
        let session = self.linear_world.delegate(READER, &issue)?;
        let conversation = linear::ids::conversation(session.id());
        Ok((session, conversation))
    }
}

fn in_words(message: &Value, reactions: Reactions) -> anyhow::Result<Words> {
    let message: Message = serde_json::from_value(message.clone())
        .with_context(|| format!("a message of the catalogue is none: {message}"))?;
    Ok(words::render(&message, &links(reactions))?)
}

fn links(reactions: Reactions) -> Links {
    let card_url = match reactions {
        Reactions::Heard => {
            Some("https://acme.slack.com/archives/CENG/p1789394700000100".to_owned())
        }
        Reactions::Unheard => None,
    };
    let issues = match reactions {
        Reactions::Heard => Issues::Made,
        Reactions::Unheard => Issues::NotMade,
    };
    Links {
        task_url: TASK_URL.to_owned(),
        card_url,
        reactions,
        issues,
    }
}

fn form(opened: Opened) -> anyhow::Result<Form> {
    let known = || {
        ["acme/api", "acme/docs", "acme/web"]
            .map(str::to_owned)
            .to_vec()
    };
    Ok(match opened {
        Opened::Correction => {
            let card: PlanCard = serde_json::from_value(plan_card())?;
            Form::Correction {
                revision: 1,
                plan: words::plan_text(&card)?,
                editable: Some(words::plan_to_edit(&PlanEdit::of(
                    &card.plan,
                    &card.specification,
                ))),
            }
        }
        Opened::Repository => Form::Repository { known: known() },
        Opened::AnyRepository => Form::Repository { known: Vec::new() },
        Opened::Team => Form::Team {
            revision: 1,
            known: ["ENG", "OPS"].map(str::to_owned).to_vec(),
        },
        Opened::Request | Opened::Settings => Form::Request { known: known() },
    })
}

fn settings_form() -> SettingsForm {
    SettingsForm {
        place: Some(format!("slack:{TEAM_ID}:CENG")),
        set: Preferences::default(),
        known: vec!["acme/api".to_owned(), "acme/web".to_owned()],
        agents: vec!["claude".to_owned(), "codex".to_owned()],
    }
}

fn pictures() -> Vec<PictureFile> {
    let picture = |moment: &str, range: &str| PictureFile {
        name: format!("users-{moment}.png"),
        title: format!("Users, {moment}"),
        png: picture::draw(&[
            &" ".repeat(48),
            "  Users",
            "",
            range,
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
        ]),
    };
    vec![
        picture("before", "  rows 1 to 100 of 240"),
        picture("after", "  rows 151 to 240 of 240"),
    ]
}
