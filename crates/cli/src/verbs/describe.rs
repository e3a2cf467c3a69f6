//! What the program says about itself: the schema of scenarios, completions, manual pages.

use crate::{
    args::described,
    complete,
    exit::{Done, Failure},
    say,
};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use lab::LabError;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use types::names;

/// `nines schema`: the JSON Schema of scenarios.
pub fn schema() -> Done {
    say::out(format!("{:#}", scenario::json_schema()));
    Done::Fine
}

/// `nines completions SHELL`: a script that completes the command line.
pub fn completions(shell: Shell) -> Result<Done, Failure> {
    let script = complete::script(shell);
    let script = script.map_err(|error| Failure::Environment(error.to_string()))?;
    say::out(String::from_utf8_lossy(&script).trim_end());
    Ok(Done::Fine)
}

/// `nines man`: the page of `verb`, or all of them as files in `folder`.
pub fn man(verb: &[String], folder: Option<&Path>) -> Result<Done, Failure> {
    let mut all = without_help(described());
    all.build();
    let Some(folder) = folder else {
        say::out(page(find(&all, verb)?).trim_end());
        return Ok(Done::Fine);
    };
    write(&all, folder).map_err(|(path, source)| LabError::Output { path, source })?;
    let folder = folder.display();
    say::out(format!(
        "wrote {folder}/nines.1 and a page of each verb, nines-VERB.1"
    ));
    Ok(Done::Fine)
}

/// `help` has nothing to describe.
fn without_help(command: Command) -> Command {
    let command = command.disable_help_subcommand(true);
    command.mut_subcommands(without_help)
}

/// The command that `verb` names: `policy`, `set`.
fn find<'a>(all: &'a Command, verb: &[String]) -> Result<&'a Command, Failure> {
    verb.iter().try_fold(all, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            let known = || command.get_subcommands().map(Command::get_name);
            let reason = names::no_such("verb", word, known);
            Failure::BadInput(format!("VERB `{word}`: {reason}"))
        })
    })
}

/// A page in roff.
fn page(command: &Command) -> String {
    let mut page = Vec::new();
    let source = concat!("nines ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(source).manual("Nines");
    // Writing to memory can't fail.
    let _ = man.render(&mut page);
    let page = String::from_utf8_lossy(&page);
    // No date, which must be an empty argument, or the next one takes its place. And no
    // justified lines: there are words in it that are longer than a line.
    let title = format!("\"{source}\"");
    page.replacen(&title, &format!("\"\" {title}"), 1)
        .replacen(".SH NAME", ".ad l\n.SH NAME", 1)
}

/// Writes the page of `command` and those of its subcommands; or at which path that failed.
fn write(command: &Command, folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    let path = folder.join(Man::new(command.clone()).get_filename());
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, page(command)));
    written.map_err(|error| (path, error))?;
    command
        .get_subcommands()
        .try_for_each(|command| write(command, folder))
}
