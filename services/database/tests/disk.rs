//! Disks that are full and folders that are read-only: real ones, mounted for a service in a
//! mount namespace of its own, which ends with it.

use serde_json::{Value, json};
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_database");
/// Each takes the folder as `$0` and then becomes the program that follows.
const AS_IT_IS: &str = r#"exec "$@""#;
/// Room for the database and its log, and for what fills it up.
const SMALL: &str = r#"mount -t tmpfs -o size=8m none "$0" && exec "$@""#;
const READ_ONLY: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;

/// The service, to be started in a mount namespace of its own, where `mount` was done to
/// `folder`; none where this user may not mount anything, not even for itself.
fn service(mount: &str, folder: &TempDir) -> Option<Command> {
    let unshare = |flags: &str| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", mount]).arg(folder.path());
        command
    };
    let may = |flags: &&str| {
        let tried = unshare(flags).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    // As root, or as root of a namespace of users.
    let Some(flags) = ["-m", "-rm"].into_iter().find(may) else {
        say_skipped();
        return None;
    };
    let mut command = unshare(flags);
    let store = format!("--store={}", url(folder));
    command.args([
        PROGRAM,
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--supervised",
        &store,
    ]);
    Some(command)
}

/// Straight to standard error: the test harness keeps what a test that passes prints.
fn say_skipped() {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    let line = format!("SKIPPED {test}: this user may not mount anything\n");
    // Where standard error is closed, nobody wants to know.
    let _ = io::stderr().write_all(line.as_bytes());
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}/store.db", folder.path().display())
}

/// A running service; it stops with its standard input, also if the test dies.
struct Running {
    process: Child,
    address: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addresses: Value = serde_json::from_str(&line).unwrap();
        let address = addresses["public"].as_str().unwrap().to_owned();
        Self { process, address }
    }

    fn ask(&self, method: &str, key: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let length = body.len();
        let request = format!(
            "{method} /v1/records/c/{key} HTTP/1.1\r\nhost: database\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn write(&self, key: &str, bytes: usize) -> (u16, Value) {
        let body = json!({ "value": "x".repeat(bytes) });
        self.ask("PUT", key, &body.to_string())
    }

    /// A file in the folder, as the service sees it.
    fn inside(&self, folder: &TempDir, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(folder.path().strip_prefix("/").unwrap())
            .join(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // However it ends, it is gone.
        let _ = self.process.wait();
    }
}

/// Writes until there is no room left.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_writes_and_no_reads_until_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(command) = service(SMALL, &folder) else {
        return;
    };
    let service = Running::start(command);
    assert_eq!(service.write("kept", 100).0, 201);
    let ballast = service.inside(&folder, "ballast");
    fill(&ballast);
    for number in 0..3 {
        let key = format!("k{number}");
        let (status, problem) = service.write(&key, 100_000);
        assert_eq!(
            (status, &problem["code"]),
            (507, &json!("store-full")),
            "{problem}"
        );
        assert_eq!(problem["retryable"], false);
        assert!(!problem.to_string().contains("SQL"), "{problem}");
        assert_eq!(service.ask("GET", "kept", "").1["version"], 1);
        assert_eq!(service.ask("GET", &key, "").0, 404);
    }
    fs::remove_file(ballast).unwrap();
    assert_eq!(service.write("k0", 100_000).0, 201);
    assert_eq!(service.ask("GET", "k0", "").1["version"], 1);
}

#[test]
fn a_service_that_may_not_write_to_its_folder_says_so_and_names_the_setting() {
    let (empty, used) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(command) = service(AS_IT_IS, &used) else {
        return;
    };
    drop(Running::start(command));
    for folder in [empty, used] {
        let Some(mut command) = service(READ_ONLY, &folder) else {
            return;
        };
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Open until it has ended: the end of its input would stop it.
        let input = child.stdin.take();
        let ended = child.wait_with_output().unwrap();
        drop(input);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(3), "{said}");
        let setting = format!(
            "error: --store {}: the store cannot be opened",
            url(&folder)
        );
        assert!(
            said.contains(&setting) && said.contains("must exist and be writable"),
            "{said}"
        );
    }
}
