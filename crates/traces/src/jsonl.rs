//! Whole traces as OTLP/JSON lines, the form that Jaeger's upload and most tools read.
//!
//! Each line is one export request as it was received, without the traces that were not
//! chosen. A file that holds a sample says so in every resource, for its share of failures
//! says nothing.

use crate::{
    analysis::{self, AnalysisOptions, grouped},
    archive::Archive,
    decode::Decoder,
    span::{Span, TraceId},
    spool::Spool,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::ResourceSpans,
};
use serde::Serialize;
use std::{
    collections::HashSet,
    fmt,
    fs::{File, Permissions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The resource attribute that marks the spans of a sample.
const SAMPLE: &str = "nines.sample";

/// Which traces to write.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All of them.
    All,
    /// These.
    Traces(HashSet<TraceId>),
    /// A fair choice for people to look at, as [`analysis::sample`] makes it.
    Sample {
        /// So many whose root requests got an answer, if there are.
        ok: usize,
        /// So many of which one did not, if there are.
        failed: usize,
        /// Which traces to choose from, and what their roots are.
        of: AnalysisOptions,
    },
}

/// Why traces could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The receiver was started without a directory to keep requests in.
    #[error("the receiver kept no requests: it was started without a spool")]
    NoSpool,
    /// The spool could not be completed when spans came in.
    #[error("the receiver could not keep all requests: {0}")]
    Spool(String),
    /// The file can't be written.
    #[error("can't write traces to {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why traces could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be read.
    #[error("can't read traces from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is not a trace export request.
    #[error("{}, line {line}: not OTLP/JSON: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Traces in the file.
    pub traces: u64,
    /// Spans in the file.
    pub spans: u64,
    /// What the file is a sample of, if it is one.
    pub sample: Option<String>,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} traces, {} spans",
            grouped(self.traces),
            grouped(self.spans)
        )?;
        match &self.sample {
            Some(sample) => write!(f, " (a sample: {sample})"),
            None => Ok(()),
        }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The spans, in the order of the file.
    pub spans: Vec<Span>,
    /// How many had no valid trace or span id and were left out.
    pub rejected: u64,
    /// What the file is a sample of, if it says it is one: then its availability is made.
    pub sample: Option<String>,
}

impl Archive {
    /// Writes whole traces to `path`. The file appears complete or not at all.
    pub fn write_jsonl(&self, path: &Path, selection: &Selection) -> Result<Written, WriteError> {
        let spool = match &self.spool {
            None => return Err(WriteError::NoSpool),
            Some(Err(failure)) => return Err(WriteError::Spool(failure.to_string())),
            Some(Ok(spool)) => spool,
        };
        let mut filter = Filter::new(&self.spans, selection);
        write_atomically(path, |file| write_lines(spool, &mut filter, file)).map_err(|source| {
            WriteError::File {
                path: path.to_owned(),
                source,
            }
        })?;
        let traces = filter.traces.len() as u64;
        Ok(Written {
            traces,
            spans: filter.spans,
            sample: filter.sample,
        })
    }
}

/// Reads traces from OTLP/JSON lines, of ours or of any other system. Empty lines are
/// passed over.
pub fn read_jsonl(path: &Path) -> Result<Loaded, ReadError> {
    let unreadable = |source| ReadError::File {
        path: path.to_owned(),
        source,
    };
    let file = BufReader::with_capacity(1 << 20, File::open(path).map_err(unreadable)?);
    let (mut taken, mut sample) = (Decoder::default(), None);
    for (number, line) in file.lines().enumerate() {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let request: ExportTraceServiceRequest =
            serde_json::from_str(&line).map_err(|source| ReadError::Line {
                path: path.to_owned(),
                line: number + 1,
                source,
            })?;
        taken.take(&request);
        sample = sample.or_else(|| request.resource_spans.iter().find_map(sample_mark));
    }
    let decoded = taken.decoded;
    Ok(Loaded {
        spans: decoded.spans,
        rejected: decoded.rejected,
        sample,
    })
}

/// Keeps the chosen traces of each request.
struct Filter {
    /// None: all.
    wanted: Option<HashSet<TraceId>>,
    sample: Option<String>,
    traces: HashSet<TraceId>,
    spans: u64,
}

impl Filter {
    fn new(spans: &[Span], selection: &Selection) -> Self {
        let mut filter = Self {
            wanted: None,
            sample: None,
            traces: HashSet::new(),
            spans: 0,
        };
        match selection {
            Selection::All => {}
            Selection::Traces(traces) => filter.wanted = Some(traces.clone()),
            Selection::Sample { ok, failed, of } => {
                let chosen = analysis::sample(spans, of, *ok, *failed);
                let all = analysis::sample(spans, of, usize::MAX, usize::MAX);
                filter.sample = Some(sample_sentence(chosen.len(), all.len()));
                filter.wanted = Some(chosen.into_iter().collect());
            }
        }
        filter
    }

    /// Whether anything of the request is left.
    fn keep(&mut self, request: &mut ExportTraceServiceRequest) -> bool {
        for resource in &mut request.resource_spans {
            for scope in &mut resource.scope_spans {
                scope.spans.retain(|span| self.wants(&span.trace_id));
            }
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
            self.mark(resource);
        }
        request
            .resource_spans
            .retain(|resource| !resource.scope_spans.is_empty());
        !request.resource_spans.is_empty()
    }

    fn wants(&mut self, trace: &[u8]) -> bool {
        let trace = TraceId::from_bytes(trace);
        let wanted = match (&self.wanted, trace) {
            (None, _) => true,
            (Some(wanted), Some(trace)) => wanted.contains(&trace),
            (Some(_), None) => false,
        };
        if wanted {
            self.spans += 1;
            self.traces.extend(trace);
        }
        wanted
    }

    fn mark(&self, resource: &mut ResourceSpans) {
        if let Some(sample) = &self.sample {
            let value = Some(AnyValue {
                value: Some(Value::StringValue(sample.clone())),
            });
            let mark = KeyValue {
                key: SAMPLE.to_owned(),
                value,
                ..KeyValue::default()
            };
            resource
                .resource
                .get_or_insert_default()
                .attributes
                .push(mark);
        }
    }
}

fn sample_sentence(chosen: usize, all: usize) -> String {
    let (chosen, all) = (grouped(chosen as u64), grouped(all as u64));
    format!("{chosen} of {all} traces, failures chosen apart")
}

fn sample_mark(resource: &ResourceSpans) -> Option<String> {
    let attributes = &resource.resource.as_ref()?.attributes;
    let mark = attributes
        .iter()
        .find(|attribute| attribute.key == SAMPLE)?;
    match mark.value.as_ref()?.value.as_ref()? {
        Value::StringValue(sample) => Some(sample.clone()),
        _ => None,
    }
}

fn write_lines(spool: &Spool, filter: &mut Filter, file: &mut impl Write) -> io::Result<()> {
    spool.replay(|mut request| {
        if filter.keep(&mut request) {
            serde_json::to_writer(&mut *file, &request)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Writes beside the file first, then puts it in place. It may be read by whom any new file
/// of this user may be read.
fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let beside = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    let mut file = BufWriter::with_capacity(1 << 20, beside.as_file());
    write(&mut file)?;
    file.flush()?;
    drop(file);
    beside.persist(path)?;
    Ok(())
}
