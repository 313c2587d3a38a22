//! What is generated from the definitions: the schema of scenario files, completions, manual pages.

use std::path::PathBuf;

use clap::{Command, ValueEnum};
use clap_complete::Shell;

use super::Exit;
use super::exit::Unwritable;
use super::outputs;
use super::terminal::Stream;
use crate::report::json;
use crate::scenario::schema;

/// What `labsim completions` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// What `labsim man` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write the pages of all commands to this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What `labsim schema` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Of which files
    #[arg(value_enum, default_value_t = Described::Scenario)]
    of: Described,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Described {
    /// Scenario files
    Scenario,
    /// What `--report json=FILE` writes
    Report,
}

/// Prints a schema.
pub(super) fn schema(args: &Schema) -> Exit {
    match args.of {
        Described::Scenario => Stream::Out.tell(schema::file()),
        Described::Report => Stream::Out.tell(json::SCHEMA),
    }
    Exit::Passed
}

/// Prints a completion script.
pub(super) fn completions(args: &Completions, mut command: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "labsim", &mut script);
    Stream::Out.tell(String::from_utf8_lossy(&script));
    Exit::Passed
}

/// Prints the manual page, or writes all of them.
///
/// # Errors
/// The system's, if the folder cannot be written.
pub(super) fn man(args: &Man, command: Command) -> anyhow::Result<Exit> {
    if let Some(dir) = &args.dir {
        outputs::create_folder(dir)?;
        clap_mangen::generate_to(command, dir).map_err(|error| Unwritable::new("manual pages to", dir, &error))?;
        return Ok(Exit::Passed);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Stream::Out.tell(String::from_utf8_lossy(&page));
    Ok(Exit::Passed)
}
