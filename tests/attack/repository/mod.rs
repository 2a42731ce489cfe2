//! Attacks on the host's git and on what is pushed: repositories and commits that an agent left behind.
//!
//! Each is made in a real sandbox, in the work tree as a task has it. Then the host does what it does after every
//! run: it takes the work out, checks it, and pushes what no rule holds to a real remote.

macro_rules! hostile {
    ($id:literal, $tries:literal, $expect:expr, $script:literal) => {
        Hostile {
            id: $id,
            tries: $tries,
            expect: $expect,
            script: $script,
        }
    };
}

mod acting;
mod bundles;
mod lying;
mod row;
mod running;
mod trees;

use std::{collections::BTreeMap, process::Command, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use deckhand_executors::{
    Executor as _, SandboxName,
    broker::{
        BrokerError, Errand, Finding, Gate, NoSecrets, Push, Quarantine, RemoteBranch, Rules,
        Scope, Signature, TakeOutLimits, take_out,
    },
    docker::DockerExecutor,
    mirror::{BranchName, CommitId, Mirror, Mirrors, RepositoryUrl, prepare_script},
    sandbox::Exec,
};
use tempfile::TempDir;

use crate::{
    ground::{
        self, TRIED,
        container::{lent, script, volume},
        folder_for_sockets, outcome_of,
    },
    suite::{CANARY_DIGITS, CANARY_START, Canary, Family, Listed, Outcome, Suite},
};
use row::{BEGINNING, Hostile, Went};

/// How long the agent may take to prepare an attack.
const ATTEMPT_TIME: Duration = Duration::from_secs(90);
/// What the approved plan lets change.
const SCOPE: [&str; 3] = ["lib/", "test/", "value.txt"];

fn table() -> Vec<&'static Hostile> {
    [
        running::ROWS,
        lying::ROWS,
        trees::ROWS,
        acting::ROWS,
        bundles::ROWS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rows as the table lists them.
pub fn listed() -> Vec<Listed> {
    let rows = table();
    let rows = rows.iter().map(|row| Listed {
        id: row.id.to_owned(),
        family: Family::Repository,
        tries: row.tries.to_owned(),
    });
    rows.collect()
}

/// Makes them.
pub async fn run(suite: &mut Suite) -> anyhow::Result<()> {
    let list = listed();
    if !suite.wants_any(&list) {
        return Ok(());
    }
    suite.heading(Family::Repository);
    let forge = Forge::set_up().await?;
    let mut made = Vec::new();
    for (index, (row, listed)) in table().iter().zip(&list).enumerate() {
        if !suite.wants(listed) {
            continue;
        }
        let mut told: Option<Outcome> = None;
        // A branch of its own for each try.
        for branch in [index, index + table().len()] {
            let canary = suite.plant();
            made.push((row.id, canary.clone()));
            let outcome = outcome_of(forge.attack(row, &canary, branch).await);
            let outcome = match &told {
                Some(first) => outcome.after(first),
                None => outcome,
            };
            if !told.insert(outcome).is_not_made() {
                break;
            }
        }
        if let Some(outcome) = told {
            suite.tell(listed, &outcome);
        }
    }
    for (canary, place) in forge.canaries()? {
        if let Some((id, _)) = made.iter().find(|(_, known)| *known == canary) {
            suite.found_later(Some(id), &canary, place);
        }
    }
    forge.clear().await
}

/// A remote, the host's copy of it, and a sandbox with its work tree.
struct Forge {
    executor: DockerExecutor,
    instance: String,
    folder: TempDir,
    /// Not mounted in the sandbox, so that the same path can be made there.
    marks: TempDir,
    url: RepositoryUrl,
    mirror: Mirror,
    base: CommitId,
}

impl Forge {
    async fn set_up() -> anyhow::Result<Self> {
        let folder = folder_for_sockets()?;
        let script = r#"
set -e
git init -q --bare -b main web.git; git init -q --bare -b main mirrors-of-others.git
git clone -q web.git author 2>/dev/null; cd author; mkdir lib test
echo '# Web' > README.md; echo 1 > value.txt; echo 'a' > lib/a.js; echo 'test -s value.txt' > test/value.sh
git add -A; git commit -qm 'The first commit'; git push -q origin HEAD:main; cd .."#;
        host_shell(folder.path(), script)?;
        let url = RepositoryUrl::of_folder(&folder.path().join("web.git"))?;
        let mirrors = Mirrors::new(folder.path().join("mirrors"));
        let mirror = mirrors.refresh(&url, None).await?;
        let base = mirror.resolve("main").await?;
        let instance = format!("attack-repository-{}", std::process::id());
        let executor =
            DockerExecutor::connect(&instance, None)?.lending(vec![folder.path().to_owned()]);
        let forge = Self {
            executor,
            instance,
            url,
            mirror,
            base,
            marks: tempfile::Builder::new()
                .prefix("dh-m-")
                .tempdir_in("/tmp")?,
            folder,
        };
        forge.start().await?;
        Ok(forge)
    }

    fn sandbox(&self) -> SandboxName {
        SandboxName(format!("{}-sandbox", self.instance))
    }

    async fn start(&self) -> anyhow::Result<()> {
        let mirror = self.mirror.path();
        let mounts = vec![
            volume(&self.instance, "work", "/work"),
            volume(&self.instance, "home", "/home/agent"),
            lent(mirror, &mirror.display().to_string()),
        ];
        let spec = ground::sandbox(self.sandbox(), mounts);
        self.executor.start(&spec).await.context("the sandbox")
    }

    async fn attack(
        &self,
        row: &Hostile,
        canary: &Canary,
        index: usize,
    ) -> anyhow::Result<Outcome> {
        let branch = BranchName::parse(&format!("deckhand/row-{index}"))?;
        // A name of its own, because what a trap says of it may be pushed.
        let mark = self.marks.path().join(Canary::new().as_str());
        self.fresh_tree(&branch).await?;
        let stranger = self.stranger(canary)?;
        let said = self.lay_trap(row, canary, &mark, &stranger).await?;
        let others = self.references(&branch)?;
        let quarantine_path = self.folder.path().join(format!("quarantine/{index}.git"));
        let quarantine = Quarantine::open(quarantine_path, self.mirror.path()).await?;
        let went = self.host_goes_on(&quarantine, &branch).await;
        if mark.exists() {
            return Ok(Outcome::succeeded(
                "a program of the repository ran on the host",
            ));
        }
        if self.references(&branch)? != others {
            return Ok(Outcome::succeeded(
                "another branch or tag moved at the remote or in the mirror",
            ));
        }
        if let Some((_, place)) = self
            .canaries()?
            .into_iter()
            .find(|(found, _)| found == canary)
        {
            return Ok(Outcome::found(canary, place));
        }
        if !said.lines().any(|line| line.starts_with(TRIED)) {
            let last = said.lines().last().unwrap_or("it said nothing");
            return Ok(Outcome::not_made(format!("the trap was not laid: {last}")));
        }
        Ok(went?.judged_by(row.expect))
    }

    /// The work tree as a task gets it.
    async fn fresh_tree(&self, branch: &BranchName) -> anyhow::Result<()> {
        let clean = "find /work /home/agent /tmp -mindepth 1 -delete 2>/dev/null; true";
        self.exec("/", clean, &BTreeMap::new()).await?;
        let prepared = prepare_script(self.mirror.path(), &self.base, branch);
        let done = self.executor.exec(&self.sandbox(), prepared).await?;
        if done.status != Some(0) {
            bail!("no work tree: {}", String::from_utf8_lossy(&done.errors));
        }
        Ok(())
    }

    /// Another repository of the host, with an object that holds the canary.
    fn stranger(&self, canary: &Canary) -> anyhow::Result<String> {
        let script = format!(
            "echo {} | git -C mirrors-of-others.git hash-object -w --stdin",
            canary.as_str()
        );
        host_shell(self.folder.path(), &script)
    }

    async fn lay_trap(
        &self,
        row: &Hostile,
        canary: &Canary,
        mark: &std::path::Path,
        stranger: &str,
    ) -> anyhow::Result<String> {
        let variables = [
            ("CANARY", canary.as_str().to_owned()),
            ("MARK", mark.display().to_string()),
            ("MIRROR", self.mirror.path().display().to_string()),
            ("STRANGER", stranger.to_owned()),
            ("BASE", self.base.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let script = format!("{BEGINNING}{}", row.script);
        self.exec("/work/repo", &script, &variables.into()).await
    }

    /// What the host does after every run. Trouble of the host or of the engine is no refusal.
    async fn host_goes_on(
        &self,
        quarantine: &Quarantine,
        branch: &BranchName,
    ) -> anyhow::Result<Went> {
        let scope = Scope::read(&SCOPE).map_err(|entry| anyhow!("the scope: {entry:?}"))?;
        let limits = TakeOutLimits::default();
        let errand = Errand {
            base: &self.base,
            branch,
            pushed: None,
            rules: Rules {
                scope: &scope,
                known: &NoSecrets,
                limits: &limits,
            },
        };
        let taken = match take_out(&self.executor, &self.sandbox(), quarantine, &errand).await {
            Ok(taken) => taken,
            Err(
                error @ (BrokerError::NothingChanged
                | BrokerError::TooLarge { .. }
                | BrokerError::ForeignHistory
                | BrokerError::Malformed(_)
                | BrokerError::WorkTree(_)),
            ) => return Ok(Went::Refused(error)),
            Err(
                error @ (BrokerError::TooSlow | BrokerError::Sandbox(_) | BrokerError::Host(_)),
            ) => return Err(error.into()),
        };
        let held = |finding: &Finding| finding.gate() != Gate::Note;
        let held: Vec<Finding> = taken.findings.into_iter().filter(held).collect();
        if !held.is_empty() {
            return Ok(Went::Found(held));
        }
        self.push(quarantine, branch, &taken.tree).await?;
        let base = &self.base;
        let differ = format!("git -C web.git diff --name-only {base} refs/heads/{branch}");
        Ok(Went::Pushed(host_shell(self.folder.path(), &differ)?))
    }

    async fn push(
        &self,
        quarantine: &Quarantine,
        branch: &BranchName,
        tree: &deckhand_executors::mirror::TreeId,
    ) -> anyhow::Result<()> {
        let author = Signature {
            name: "Deckhand".to_owned(),
            email: "deckhand@deckhand.invalid".to_owned(),
            at_seconds: 1_700_000_000,
        };
        let parents = [self.base.clone()];
        let commit = quarantine
            .make_commit(tree, &parents, "The host's own words\n", &author)
            .await?;
        let push = Push {
            commit: &commit,
            branch,
            expected: &RemoteBranch::Absent,
            base: &self.base,
        };
        Ok(quarantine.push(&self.url, None, &push).await?)
    }

    /// All references of remote and mirror but the task's own branch.
    fn references(&self, branch: &BranchName) -> anyhow::Result<String> {
        let script = format!(
            "for place in web.git '{}'; do git -C \"$place\" for-each-ref | grep -v 'refs/heads/{branch}$' || true; done",
            self.mirror.path().display()
        );
        host_shell(self.folder.path(), &script)
    }

    /// The canaries that stand in remote or mirror: in any object, path, reference or setting.
    fn canaries(&self) -> anyhow::Result<Vec<(Canary, String)>> {
        let mirror = self.mirror.path().display().to_string();
        let mut found = Vec::new();
        for (place, name) in [("web.git", "the remote"), (&mirror, "the mirror")] {
            let script = format!(
                "cd '{place}'; {{ git rev-list --objects --all; git for-each-ref; cat config description hooks/* 2>/dev/null
                 git cat-file --batch --batch-all-objects --buffer; }} | grep -aoE '{CANARY_START}[0-9a-f]{{{CANARY_DIGITS}}}' | sort -u; true"
            );
            let said = host_shell(self.folder.path(), &script)?;
            let canaries = Canary::all_within(said.as_bytes()).into_iter();
            found.extend(canaries.map(|canary| (canary, format!("it stands in {name}"))));
        }
        Ok(found)
    }

    async fn exec(
        &self,
        folder: &str,
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<String> {
        let exec = Exec {
            timeout: ATTEMPT_TIME,
            ..script(folder, text, environment)
        };
        let done = self.executor.exec(&self.sandbox(), exec).await?;
        Ok(String::from_utf8_lossy(&done.output).into_owned())
    }

    async fn clear(&self) -> anyhow::Result<()> {
        self.executor.stop(&self.sandbox()).await?;
        for volume in self.executor.volumes().await? {
            self.executor.remove_volume(&volume).await?;
        }
        Ok(())
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        ground::sweep(&self.instance);
    }
}

/// A script on the host, without anybody's settings.
fn host_shell(folder: &std::path::Path, script: &str) -> anyhow::Result<String> {
    let mut command = Command::new("bash");
    command
        .args(["-c", script])
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "ana"),
        ("GIT_AUTHOR_EMAIL", "ana@acme.example"),
        ("GIT_COMMITTER_NAME", "ana"),
        ("GIT_COMMITTER_EMAIL", "ana@acme.example"),
    ] {
        command.env(name, value);
    }
    let output = command.output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
