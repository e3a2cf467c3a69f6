//! A service as a process that can be killed and started again where it was.

use crate::Sandbox;
use rustix::net::{
    AddressFamily, SocketType, bind, getsockname, socket, sockopt::set_socket_reuseaddr,
};
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::OwnedFd,
    process::{Child, ChildStdin, Stdio},
};

/// A port of the system's choice that stays ours while a service is down.
///
/// The socket is bound and never listens. Two may be bound to a port if both say so and none
/// of them listens (socket(7), `SO_REUSEADDR`), so that the service can take it, time and
/// again, and nobody else is given it by chance.
#[derive(Debug)]
struct Port {
    _socket: OwnedFd,
    address: SocketAddr,
}

impl Port {
    fn new() -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let address = SocketAddr::try_from(getsockname(&socket)?)?;
        Ok(Self {
            _socket: socket,
            address,
        })
    }
}

/// A service that runs as a process, on addresses that stay its own also while it does not.
#[derive(Debug)]
pub struct Service {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    public: Port,
    admin: Port,
    running: Option<(Child, ChildStdin)>,
}

impl Service {
    /// The program with these arguments, to be started. It learns its addresses from the
    /// environment.
    pub fn new(program: &str, args: &[String]) -> io::Result<Self> {
        Ok(Self {
            program: program.to_owned(),
            args: args.to_vec(),
            env: Vec::new(),
            public: Port::new()?,
            admin: Port::new()?,
            running: None,
        })
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Where its own routes are.
    pub const fn public(&self) -> SocketAddr {
        self.public.address
    }

    /// Where its probes and metrics are.
    pub const fn admin(&self) -> SocketAddr {
        self.admin.address
    }

    /// Its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|(child, _)| child.id())
    }

    /// Starts it, with these arguments besides, and waits until it serves. Whether it came to
    /// that: one that is made to die at its start does not. What it says goes to `log`, a
    /// file in the sandbox.
    pub fn start(&mut self, sandbox: &Sandbox, log: &str, besides: &[String]) -> io::Result<bool> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(sandbox.path().join(log))?;
        let mut child = sandbox
            .command(&self.program)?
            .args(&self.args)
            .args(besides)
            .arg("--supervised")
            .env("NINES_LISTEN", self.public().to_string())
            .env("NINES_ADMIN", self.admin().to_string())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        // When this is closed, because the test has ended, the service stops.
        let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        self.running = Some((child, input));
        Ok(!line.is_empty())
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some((mut child, _)) = self.running.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Whether it has ended by itself, or was never started.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        match &mut self.running {
            None => Ok(true),
            Some((child, _)) => Ok(child.try_wait()?.is_some()),
        }
    }

    /// Tells it to stop, by ending its standard input, and waits; its exit code.
    pub fn stop(&mut self) -> io::Result<Option<i32>> {
        let Some((mut child, input)) = self.running.take() else {
            return Ok(None);
        };
        drop(input);
        Ok(child.wait()?.code())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing is left to be told that it could not be killed.
        let _ = self.kill();
    }
}
