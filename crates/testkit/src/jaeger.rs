//! A real Jaeger for tests: its memory is its own, and the system chooses its ports.
//!
//! It runs under a small shell script that waits for its standard input to end, and that ends
//! with the test process, however that ends.

use crate::skip::skip;
use std::{
    fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

/// Starts Jaeger, which says on standard error where it listens; stops it once standard input
/// has ended.
const SUPERVISOR: &str = r#"
"$1" --config "$0/jaeger.yaml" &
cat >/dev/null
kill $! 2>/dev/null
wait
rm -rf "$0"
"#;

/// Everything in memory, as much of it as a test sends.
const CONFIG: &str = "
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry:
    metrics: {level: none}
extensions:
  jaeger_storage:
    backends:
      memory: {memory: {max_traces: 100000}}
  jaeger_query:
    storage: {traces: memory}
    http: {endpoint: 127.0.0.1:0}
    grpc: {endpoint: 127.0.0.1:0}
receivers:
  otlp:
    protocols:
      http: {endpoint: 127.0.0.1:0}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
";

/// How long it may take to say where it listens.
const START: Duration = Duration::from_mins(1);
/// What to say where it is not installed.
const MISSING: &str = "Jaeger is not installed (deploy/tools jaeger)";

/// A running Jaeger.
#[derive(Debug)]
pub struct Jaeger {
    /// Where spans are sent, by OTLP over HTTP.
    pub otlp: String,
    /// Where traces are asked for.
    pub query: String,
    /// It ends with its standard input.
    _supervisor: Mutex<Child>,
}

/// The one Jaeger that the tests of this process share; started by the first that asks.
///
/// Where it is not installed, there is none, and standard error says that the test was skipped.
///
/// # Panics
///
/// If it is installed and does not start; with `CI=true` in the environment also if it is not
/// installed.
pub fn shared() -> Option<&'static Jaeger> {
    static SHARED: OnceLock<Option<Jaeger>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let started = Jaeger::start(&program()?);
        Some(started.unwrap_or_else(|error| panic!("Jaeger does not start: {error}")))
    });
    if shared.is_none() {
        skip(MISSING);
    }
    shared.as_ref()
}

/// The pinned program if it is there, otherwise this machine's.
fn program() -> Option<PathBuf> {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [pinned].into_iter().chain(std::env::split_paths(&path));
    let programs = folders.map(|folder| folder.join("jaeger"));
    programs.into_iter().find(|program| program.is_file())
}

impl Jaeger {
    fn start(program: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nines-jaeger-").tempdir()?;
        fs::write(folder.path().join("jaeger.yaml"), CONFIG)?;
        // From here on the supervisor removes it.
        let folder = folder.keep();
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR])
            .arg(&folder)
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is for the test; the supervisor sees that it ends.
            .process_group(0)
            .spawn()?;
        let said = supervisor.stderr.take();
        let said = said.map_or_else(nowhere, Ok)?;
        let (found, ports) = mpsc::channel();
        // Nobody waits for it any longer if it takes too long.
        thread::spawn(move || _ = found.send(read_ports(said)));
        let (query, otlp) = ports.recv_timeout(START).map_err(io::Error::other)??;
        Ok(Self {
            otlp: format!("http://127.0.0.1:{otlp}"),
            query: format!("http://127.0.0.1:{query}"),
            _supervisor: Mutex::new(supervisor),
        })
    }
}

fn nowhere<T>() -> io::Result<T> {
    Err(io::Error::other("it did not say where it listens"))
}

/// Reads the log until both ports are known, and goes on reading so that it can go on writing.
fn read_ports(log: ChildStderr) -> io::Result<(u16, u16)> {
    let mut lines = BufReader::new(log).lines();
    let (mut query, mut otlp) = (None, None);
    for line in lines.by_ref() {
        let line = line?;
        if line.contains("Starting HTTP server") {
            query = query.or_else(|| number_after(&line, "\"port\": "));
            otlp = otlp.or_else(|| number_after(&line, "\"endpoint\": \"127.0.0.1:"));
        }
        if let (Some(query), Some(otlp)) = (query, otlp) {
            thread::spawn(move || lines.for_each(drop));
            return Ok((query, otlp));
        }
    }
    nowhere()
}

fn number_after(line: &str, mark: &str) -> Option<u16> {
    let (_, rest) = line.split_once(mark)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}
