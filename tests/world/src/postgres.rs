//! A PostgreSQL of one's own for tests: Debian's programs, a folder that goes away, a socket in it and no port.
//!
//! `DECKHAND_TEST_POSTGRES` names a server that is there already; then databases are made on that one, and stay.

use std::{
    io::Write as _,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr as _,
    sync::OnceLock,
};

use anyhow::{Context as _, bail, ensure};
use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};

/// Names a server that is there already.
pub const ADDRESS_VARIABLE: &str = "DECKHAND_TEST_POSTGRES";
/// The account of Debian's package; the server refuses to run as root.
const ACCOUNT: &str = "postgres";
/// Waits until whoever started it is gone, however that came, and takes the server and its folder away.
const CARETAKER: &str =
    r#"cat >/dev/null; "$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1; rm -rf "$2""#;

/// A server of one's own. It ends with the process that started it, also when that one is killed.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    account: Option<(u32, u32)>,
    /// Its input is held open for as long as the server is wanted.
    _caretaker: Child,
}

impl Postgres {
    /// Makes a server and starts it.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub fn start() -> anyhow::Result<Self> {
        let programs = programs().with_context(|| {
            format!(
                "this test needs a PostgreSQL server: install Debian's package `postgresql`, or name a server in {ADDRESS_VARIABLE}"
            )
        })?;
        let account = account()?;
        let folder = std::env::temp_dir().join(format!(
            "deckhand-postgres-{}",
            &uuid::Uuid::new_v4().simple().to_string()[..12]
        ));
        std::fs::create_dir(&folder).context("the server's folder cannot be made")?;
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(&folder, Some(user), Some(group))
                .context("the server's folder cannot be given to its account")?;
        }
        let mut caretaker = Command::new("sh");
        let caretaker = as_account(&mut caretaker, account)
            .args(["-c", CARETAKER, "sh"])
            .args([&programs, &folder])
            .stdin(Stdio::piped())
            .spawn()
            .context("nobody can look after the server")?;
        let server = Self {
            programs,
            folder,
            account,
            _caretaker: caretaker,
        };
        server.run(
            "initdb",
            &[
                "--no-sync",
                "--auth=trust",
                "--encoding=UTF8",
                "--username=deckhand",
            ],
        )?;
        let mut settings = std::fs::OpenOptions::new()
            .append(true)
            .open(server.data().join("postgresql.conf"))
            .context("the server's settings cannot be written")?;
        // What is tested is not the disk.
        writeln!(
            settings,
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nmax_connections = 300",
            server.folder.display()
        )?;
        server.start_again()?;
        Ok(server)
    }

    /// Stops it as a crash would: nobody is asked to finish.
    ///
    /// # Errors
    /// What the program said.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop"])
    }

    /// Starts it after [`Postgres::stop`], and waits until it answers.
    ///
    /// # Errors
    /// What the program said.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let log = self.folder.join("log").display().to_string();
        self.run("pg_ctl", &["-l", &log, "-w", "start"])
    }

    /// A fresh database on it.
    ///
    /// # Errors
    /// What the server said.
    pub async fn fresh_database(&self) -> anyhow::Result<String> {
        let folder = self.folder.display();
        fresh_on(&format!(
            "postgres://deckhand@localhost/postgres?host={folder}"
        ))
        .await
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let said = self.folder.join(format!("{program}.said"));
        let mut command = Command::new(self.programs.join(program));
        // Into a file, not a pipe: the server that it leaves behind would hold a pipe open for ever.
        let output = std::fs::File::create(&said)?;
        let status = as_account(&mut command, self.account)
            .args(arguments)
            .arg("-D")
            .arg(self.data())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .with_context(|| format!("{program} cannot be run"))?;
        ensure!(
            status.success(),
            "{program} failed: {}",
            std::fs::read_to_string(said).unwrap_or_default()
        );
        Ok(())
    }
}

/// The address of a fresh, empty database: on the server that the environment names, else on this process's own.
///
/// # Errors
/// A sentence about what is missing, or what the server said.
pub async fn fresh_database() -> anyhow::Result<String> {
    static SERVER: OnceLock<Result<Postgres, String>> = OnceLock::new();
    if let Ok(address) = std::env::var(ADDRESS_VARIABLE) {
        return fresh_on(&address).await;
    }
    match SERVER.get_or_init(|| Postgres::start().map_err(|error| format!("{error:#}"))) {
        Ok(server) => server.fresh_database().await,
        Err(error) => bail!("{error}"),
    }
}

async fn fresh_on(server: &str) -> anyhow::Result<String> {
    let name = format!("deckhand_test_{}", uuid::Uuid::new_v4().simple());
    let options =
        PgConnectOptions::from_str(server).context("the server's address is no address")?;
    let mut connection = options
        .connect()
        .await
        .context("the PostgreSQL server for tests does not answer")?;
    // The name is made of letters and digits above.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .context("a database for the test cannot be made")?;
    connection.close().await?;
    let (place, options) = server.split_once('?').unwrap_or((server, ""));
    let scheme = place.find("://").map_or(0, |at| at + "://".len());
    let host = place[scheme..]
        .find('/')
        .map_or(place, |slash| &place[..scheme + slash]);
    Ok(format!("{host}/{name}?{options}"))
}

/// One of the programs that come with the newest server, such as `pg_dump`.
///
/// # Errors
/// A sentence where there is no server.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let programs = programs().context("this test needs Debian's package `postgresql`")?;
    Ok(programs.join(name))
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((version, programs))
        })
        .max()
        .map(|(_, programs)| programs)
}

/// Whom the server runs as where that may not be who asks: user and group.
fn account() -> anyhow::Result<Option<(u32, u32)>> {
    if Path::new("/proc/self").metadata()?.uid() != 0 {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&ACCOUNT))
        .and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
        .map(Some)
        .with_context(|| {
            format!("there is no account `{ACCOUNT}`, and the server does not run as root")
        })
}

fn as_account(command: &mut Command, account: Option<(u32, u32)>) -> &mut Command {
    match account {
        Some((user, group)) => command.uid(user).gid(group),
        None => command,
    }
}
