//! What the program says about itself: the schema of scenarios, completions, the manual page.

use crate::{args::Args, exit::Done, say};
use clap::CommandFactory;
use clap_complete::Shell;

/// `nines schema`: the JSON Schema of scenarios.
pub fn schema() -> Done {
    say::out(format!("{:#}", scenario::json_schema()));
    Done::Fine
}

/// `nines completions SHELL`: a script that completes the command line.
pub fn completions(shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "nines", &mut script);
    say::out(String::from_utf8_lossy(&script).trim_end());
    Done::Fine
}

/// `nines man`: the manual page, in roff.
pub fn man() -> Done {
    let mut page = Vec::new();
    // Writing to memory can't fail.
    let _ = clap_mangen::Man::new(Args::command()).render(&mut page);
    say::out(String::from_utf8_lossy(&page).trim_end());
    Done::Fine
}
