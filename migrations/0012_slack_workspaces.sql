-- Where the app is in Slack: workspaces, and organisations as a whole, each with who the bot is there and the number of its
-- token, which is sealed among the secrets. The one without an identifier is that of the settings' token. What the app was taken
-- out of stays with the reason, so that nothing is tried there any more. Whoever renews a token has the row for a lease, and
-- what cannot be renewed any more says so.
CREATE TABLE slack_workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    enterprise TEXT NOT NULL,
    name TEXT NOT NULL,
    bot_user TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    version BIGINT NOT NULL,
    trouble TEXT NOT NULL,
    closed TEXT NOT NULL,
    closed_ms BIGINT NOT NULL,
    renew_ms BIGINT NOT NULL,
    owner TEXT NOT NULL,
    lease_until_ms BIGINT NOT NULL
);
-- In which workspace of an organisation a channel is, as far as it is known: conversations name the organisation alone, and the
-- app can be taken out of one workspace of it.
CREATE TABLE slack_channels (
    home TEXT NOT NULL,
    channel TEXT NOT NULL,
    team TEXT NOT NULL,
    PRIMARY KEY (home, channel)
);
-- Installations that somebody came back from at Slack, each of which counts once, and what became of it.
CREATE TABLE slack_returns (
    nonce TEXT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    installed TEXT NOT NULL
);
