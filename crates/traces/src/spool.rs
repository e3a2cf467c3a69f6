//! Export requests as they came, kept on disk, so that whole traces can be written out
//! later without loss. The file has no name: it vanishes with the process.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// A spool being written. Every request stands behind its length in four bytes.
#[derive(Debug)]
pub(crate) struct SpoolWriter {
    file: BufWriter<File>,
    requests: u64,
    failure: Option<io::Error>,
}

/// A spool that is complete as far as it goes.
#[derive(Debug)]
pub(crate) struct Spool {
    file: Mutex<File>,
    requests: u64,
}

impl SpoolWriter {
    pub(crate) fn in_directory(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            requests: 0,
            failure: None,
        })
    }

    /// Adds a request. The first failure, such as a full disk, ends the spooling: what is
    /// received afterwards is analysed but can't be written out.
    pub(crate) fn push(&mut self, request: &Bytes) {
        if self.failure.is_none() {
            match self.write(request) {
                Ok(()) => self.requests += 1,
                Err(failure) => self.failure = Some(failure),
            }
        }
    }

    fn write(&mut self, request: &Bytes) -> io::Result<()> {
        let length = u32::try_from(request.len()).map_err(io::Error::other)?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(request)
    }

    pub(crate) fn finish(self) -> io::Result<Spool> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Spool {
            file: Mutex::new(file),
            requests: self.requests,
        })
    }
}

impl Spool {
    /// Reads every request again, in order of arrival.
    pub(crate) fn replay<E: From<io::Error>>(
        &self,
        mut visit: impl FnMut(ExportTraceServiceRequest) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.rewind()?;
        let mut file = BufReader::with_capacity(1 << 20, &*file);
        for _ in 0..self.requests {
            visit(read_one(&mut file)?)?;
        }
        Ok(())
    }
}

fn read_one(file: &mut impl Read) -> io::Result<ExportTraceServiceRequest> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let mut request = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut request)?;
    ExportTraceServiceRequest::decode(request.as_slice()).map_err(io::Error::other)
}
