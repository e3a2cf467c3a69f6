//! A real PostgreSQL for tests: its own cluster in a temporary folder, reached by a Unix
//! socket only, so that no port is raced for.
//!
//! It runs under a small shell script that waits for its standard input to end, and that ends
//! with the test process, however that ends. The script then stops the server and removes
//! the folder.

use crate::{skip::skip, wait_until};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::{
    fs,
    io::{self, BufRead, BufReader},
    iter,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

/// What to say where it is not installed.
const MISSING: &str = "PostgreSQL is not installed (apt-get install postgresql)";
/// How long a server may take to start, also after a crash.
const START: Duration = Duration::from_mins(1);
/// How long the processes of a killed server may take to notice, and to end.
const NOTICE: Duration = Duration::from_secs(5);

/// Says `ready`, and stops everything once its standard input has ended.
const SUPERVISOR: &str = r#"
initdb -D data -U nines -A trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1 &&
printf '%s' "$SETTINGS" >>data/postgresql.conf &&
pg_ctl -D data -l server.log -w start >pg_ctl.log 2>&1 && echo ready
cat >/dev/null
pg_ctl -D data -m immediate stop >/dev/null 2>&1
cd / && rm -rf "$0"
"#;

/// What a test needs of a server, of version 14 or later. After a crash, it asks the disk for
/// everything at once and not file by file, which takes seconds.
const SETTINGS: &str = "
recovery_init_sync_method = syncfs
listen_addresses = ''
max_connections = 300
shared_buffers = 32MB
log_min_messages = warning
";

/// A running PostgreSQL server of its own.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    supervisor: Mutex<Child>,
    databases: AtomicU32,
    /// The processes of the server that was killed last.
    orphans: Mutex<Vec<u32>>,
}

/// The one cluster that the tests of this process share; started by the first that asks.
/// It is fast, and not made to survive a power cut.
///
/// Where PostgreSQL is not installed, there is none, and standard error says that the test
/// was skipped.
///
/// # Panics
///
/// If PostgreSQL is installed and does not start; with `CI=true` in the environment also if
/// it is not installed.
pub fn cluster() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| start_if_installed(false));
    if shared.is_none() {
        skip(MISSING);
    }
    shared.as_ref()
}

fn start_if_installed(durable: bool) -> Option<Cluster> {
    let cluster = Cluster::start_from(programs()?, durable);
    Some(cluster.unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}")))
}

/// Where `initdb`, `postgres` and `pg_ctl` are: Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut debian: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    let all = in_path
        .into_iter()
        .chain(debian.into_iter().rev())
        .chain(configured());
    all.into_iter()
        .find(|folder| folder.join("initdb").is_file())
}

fn configured() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(said.stdout).ok()?;
    Some(folder.trim().into())
}

impl Cluster {
    /// A cluster of its own, where PostgreSQL is installed. A `durable` one waits for the
    /// disk, as a server in earnest does.
    ///
    /// # Panics
    ///
    /// As [`cluster`].
    pub fn start(durable: bool) -> Option<Self> {
        let started = start_if_installed(durable);
        if started.is_none() {
            skip(MISSING);
        }
        started
    }

    fn start_from(programs: PathBuf, durable: bool) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nines-pg-").tempdir()?;
        if let Some((uid, gid)) = other_user() {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        // From here on the supervisor removes it.
        let folder = folder.keep();
        let mut supervisor = as_user("sh", &programs, &folder)
            .args(["-c", SUPERVISOR])
            .arg(&folder)
            .env("SETTINGS", settings(&folder, durable))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C in the terminal is for the test; the supervisor sees that it ends.
            .process_group(0)
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let cluster = Self {
            folder,
            programs,
            supervisor: Mutex::new(supervisor),
            databases: AtomicU32::new(0),
            orphans: Mutex::default(),
        };
        match line.trim() {
            "ready" => Ok(cluster),
            _ => Err(io::Error::other(cluster.logs())),
        }
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    ///
    /// If the server does not make one.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Relaxed));
        self.ask("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of the database `name`.
    pub fn url(&self, name: &str) -> String {
        let folder = self.folder.display();
        format!("postgres:///{name}?host={folder}&user=nines")
    }

    /// What the server answers to `sql` in the database of `url`, a row a line.
    ///
    /// # Panics
    ///
    /// If it refuses.
    pub fn query(&self, url: &str, sql: &str) -> String {
        let name = url.trim_start_matches("postgres:///").split('?').next();
        self.ask(name.unwrap_or_default(), sql)
    }

    fn ask(&self, database: &str, sql: &str) -> String {
        succeed(&mut self.psql(database, sql))
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let arguments = [
            "-X",
            "-q",
            "-A",
            "-t",
            "-U",
            "nines",
            "-v",
            "ON_ERROR_STOP=1",
        ];
        let mut psql = self.command("psql");
        psql.args(arguments).arg("-h").arg(&self.folder);
        psql.args(["-d", database, "-c", sql]);
        psql
    }

    /// Stops the server, as an administrator would, and starts it again.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&self) {
        self.pg_ctl(&["-m", "fast", "-w", "restart"]);
    }

    /// Stops the server, as an administrator would: sessions are told, and end.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn stop_server(&self) {
        self.pg_ctl(&["-m", "fast", "-w", "stop"]);
    }

    /// Starts a server that was stopped or killed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_server(&self) {
        let start = || {
            let mut pg_ctl = self.command("pg_ctl");
            pg_ctl.args(["-D", "data", "-l", "server.log", "-w", "start"]);
            pg_ctl.output().is_ok_and(|output| output.status.success())
        };
        let started = wait_until(NOTICE, start) || {
            self.kill_orphans();
            wait_until(START, start)
        };
        assert!(started, "PostgreSQL does not start: {}", self.logs());
    }

    /// Kills the server (SIGKILL): nothing is written, nobody is told. Its other processes
    /// notice a moment later, and may finish what they do.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn kill_server(&self) {
        let pid = self.server_pid();
        *self.orphans() = children(pid);
        kill(pid.cast_signed());
    }

    /// Whoever waits for a lock notices nothing, and if its holder was killed too it waits for
    /// ever; no new server starts meanwhile. An administrator would do the same.
    fn kill_orphans(&self) {
        let is_server = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == "postgres")
        };
        for pid in self.orphans().drain(..).filter(is_server) {
            kill(pid.cast_signed());
        }
    }

    fn orphans(&self) -> MutexGuard<'_, Vec<u32>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's first process, the parent of all others.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn server_pid(&self) -> u32 {
        let file = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(file).unwrap_or_default();
        let pid = text.lines().next().and_then(|line| line.parse().ok());
        pid.unwrap_or_else(|| panic!("no PostgreSQL runs here: {}", self.logs()))
    }

    /// Kills one of the server's processes that serve a client, the one that `choice` falls
    /// on; the server then ends all sessions and recovers. Whether there was one.
    pub fn kill_backend(&self, choice: usize) -> bool {
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid";
        // A server that recovers answers nobody, and has none.
        let said = self.psql("postgres", sql).output();
        let said = said.map(|output| output.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let pids: Vec<i32> = said.lines().filter_map(|line| line.parse().ok()).collect();
        let chosen = pids.get(choice % pids.len().max(1)).copied();
        chosen.into_iter().for_each(kill);
        chosen.is_some()
    }

    /// Its folder: logs, data and socket.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let mut pg_ctl = self.command("pg_ctl");
        pg_ctl
            .args(["-D", "data", "-l", "server.log"])
            .args(arguments);
        succeed(&mut pg_ctl);
    }

    fn command(&self, program: &str) -> Command {
        as_user(program, &self.programs, &self.folder)
    }

    fn logs(&self) -> String {
        let log = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        ["initdb.log", "pg_ctl.log", "server.log"].map(log).concat()
    }
}

/// Waits until the server has stopped and its folder is gone.
impl Drop for Cluster {
    fn drop(&mut self) {
        let supervisor = self.supervisor.get_mut();
        let supervisor = supervisor.unwrap_or_else(PoisonError::into_inner);
        drop(supervisor.stdin.take());
        // It ends by itself; how, changes nothing here.
        let _ = supervisor.wait();
    }
}

fn settings(folder: &Path, durable: bool) -> String {
    let fast = if durable {
        ""
    } else {
        "fsync = off\nfull_page_writes = off\n"
    };
    let folder = folder.display();
    format!("{SETTINGS}unix_socket_directories = '{folder}'\n{fast}")
}

/// A program of PostgreSQL's, or one that calls them, in `folder`.
fn as_user(program: &str, programs: &Path, folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(all).unwrap_or(path);
    let mut command = Command::new("env");
    command.arg(program).env("PATH", path).current_dir(folder);
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The user `nobody`, where the test runs as root, as whom PostgreSQL does not run.
fn other_user() -> Option<(u32, u32)> {
    const NOBODY: u32 = 65534;
    geteuid().is_root().then_some((NOBODY, NOBODY))
}

/// The processes that `pid` has started.
fn children(pid: u32) -> Vec<u32> {
    let said = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let said = said.unwrap_or_default();
    let pids = said.split_whitespace();
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that has ended meanwhile is as dead as it should be.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn succeed(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&stdout).trim().to_owned()
}
