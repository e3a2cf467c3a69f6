//! A running chain, as others find it: a file that says where its services are.

use crate::remote::{Remote, RemoteError};
use chassis::Addresses;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Write},
    path::Path,
};
use types::read::{self, ReadError};

/// Where a running chain is, and what opens it. It holds secrets, so it can't be printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunningChain {
    /// The service that clients call; where it has replicas, the first of them.
    pub edge: String,
    /// All services.
    pub services: BTreeMap<String, Addresses>,
    /// What the admin listeners ask for.
    pub admin_token: String,
    /// The token of a user who has logged in, where the chain has users.
    pub user_token: Option<String>,
}

impl RunningChain {
    /// Reads what [`write`](Self::write) wrote.
    pub fn read(path: &Path) -> io::Result<Self> {
        let wrong = |wrong: ReadError| io::Error::new(ErrorKind::InvalidData, wrong.in_file());
        read::from_slice(&std::fs::read(path)?).map_err(wrong)
    }

    /// Writes the file at `path`, complete or not at all, for its owner alone.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        // Temporary files are made with the mode 0600, which the name they get keeps.
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.flush()?;
        file.persist(path)?;
        Ok(())
    }

    /// The admin listeners of its services.
    pub fn remotes(&self) -> Result<Vec<Remote>, RemoteError> {
        let remote = |(name, addresses): (&String, &Addresses)| {
            let base = format!("http://{}", addresses.admin);
            Remote::new(name, &base, Some(self.admin_token.clone()))
        };
        self.services.iter().map(remote).collect()
    }

    /// Whether the chain still runs: a killed `nines up` leaves its file behind.
    pub async fn is_up(&self) -> bool {
        let remotes = self.remotes().unwrap_or_default();
        let Some(remote) = remotes.iter().find(|remote| remote.name() == self.edge) else {
            return false;
        };
        remote.read("policy").await.is_ok()
    }
}
