//! Who is who: `auth.test`, `users.info`, `users.lookupByEmail`, `team.info`.

use serde_json::{Value, json};

use super::{Done, Refusal, Result};
use crate::slack::arguments::Arguments;
use crate::slack::directory::{
    BOT_ID, BOT_NAME, BOT_USER, Home, OTHER_TEAM_ID, Standing, TEAM_DOMAIN, User,
};
use crate::slack::workspace::Workspace;

pub(super) fn auth_test(workspace: &Workspace) -> Done {
    let url = match workspace.home.host() {
        Some(host) => format!("https://{host}/"),
        None => format!("{}/", workspace.address),
    };
    Done::quietly(json!({
        "url": url, "team": workspace.home.name, "user": BOT_NAME,
        "team_id": workspace.home.name_of(), "enterprise_id": workspace.home.organisation, "user_id": BOT_USER,
        "bot_id": BOT_ID, "is_enterprise_install": workspace.home.organisation.is_some(),
    }))
}

pub(super) fn info(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let id = arguments.text_or_empty("user");
    let user = workspace.users.iter().find(|user| user.id.as_str() == id);
    let user = user.ok_or_else(|| Refusal::state("user_not_found"))?;
    Ok(Done::quietly(
        json!({ "user": wire(&workspace.home, user) }),
    ))
}

pub(super) fn lookup_by_email(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let email = arguments.text("email");
    let user = workspace
        .users
        .iter()
        .find(|user| user.email.is_some() && user.email == email);
    let user = user.ok_or_else(|| Refusal::state("users_not_found"))?;
    Ok(Done::quietly(
        json!({ "user": wire(&workspace.home, user) }),
    ))
}

pub(super) fn team_info(workspace: &Workspace) -> Done {
    let home = &workspace.home;
    Done::quietly(
        json!({ "team": { "id": home.team, "name": home.name, "domain": TEAM_DOMAIN, "email_domain": "" } }),
    )
}

fn wire(home: &Home, user: &User) -> Value {
    let guest = matches!(
        user.standing,
        Standing::Guest | Standing::SingleChannelGuest
    );
    let outsider = user.standing == Standing::Outsider;
    let team = if outsider { OTHER_TEAM_ID } else { &home.team };
    let mut profile = json!({
        "real_name": user.real_name, "real_name_normalized": user.real_name, "display_name": user.name,
        "display_name_normalized": user.name, "team": team,
    });
    if let Some(email) = &user.email {
        profile["email"] = json!(email);
    }
    let mut wire = json!({
        "id": user.id, "team_id": team, "name": user.name, "real_name": user.real_name, "deleted": false,
        "tz": "Europe/Berlin", "tz_label": "Central European Time", "tz_offset": 3600, "profile": profile,
        "is_admin": false, "is_owner": false, "is_primary_owner": false, "is_restricted": guest,
        "is_ultra_restricted": user.standing == Standing::SingleChannelGuest, "is_stranger": outsider,
        "is_bot": user.standing == Standing::Bot, "is_app_user": false, "updated": 1_700_000_000,
    });
    if let Some(organisation) = home.organisation.as_ref().filter(|_| !outsider) {
        wire["enterprise_user"] =
            json!({ "id": user.id, "enterprise_id": organisation, "teams": [home.team] });
    }
    wire
}
