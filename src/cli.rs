//! What the user asked: one file a command.

mod acting;
mod alone;
mod apart;
mod beside;
mod breaks;
mod check;
mod exit;
mod files;
mod gateway;
mod generate;
mod init;
mod invariants;
mod judging;
mod labs;
mod list;
mod load;
mod many;
mod observe;
mod openai;
mod outputs;
mod picture;
mod record;
mod recording;
mod replay;
mod reports;
mod run;
mod screen;
mod seeds;
mod set;
#[cfg(test)]
mod shots;
mod signals;
mod table;
mod terminal;
mod up;
mod vllm_sim;

use std::ffi::OsString;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use exit::Exit;

/// Plays what an LLM gateway does while its providers fail: simulators, gateway and clients in one
/// process, on a virtual clock.
#[derive(Debug, Parser)]
#[command(name = "labsim", version, about, max_term_width = 100, color = ColorChoice::Never, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit status:
  0 passed   1 an expectation or invariant failed   2 unknown: what the run is about did not happen
  64 usage   65 a file is invalid   69 the lab could not start   70 a defect in labsim   130 interrupted
Of several files the worst counts, in the order 130, 70, 69, 65, 64, 1, 2, 0.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Play scenarios and judge what happens
    Run(run::Args),
    /// Say what will go wrong with scenarios and manifests, before anything runs
    Check(check::Args),
    /// Show a recording again: on the screen, as plain lines, or as reports
    Replay(replay::Args),
    /// Name and describe scenarios
    List(list::Args),
    /// Print the bugs that `run --break` gives the gateway
    Breaks(table::Args),
    /// Print what holds in every run, and which personality is known for breaking it
    Invariants(table::Args),
    /// Write a first scenario for your own manifests
    Init(init::Args),
    /// Keep a scenario's lab up on real ports, for curl and other clients
    Up(up::Args),
    /// Make load on an address outside a lab, and tell its figures
    Load(load::Args),
    /// Run the gateway alone, in real time, in front of real providers
    Gateway(gateway::Args),
    /// Run the vLLM simulator alone; it takes the original's arguments
    #[command(name = "vllm-sim", disable_help_flag = true)]
    VllmSim(vllm_sim::Args),
    /// Run the fake OpenAI alone
    Openai(openai::Args),
    /// Print the JSON Schema of scenario files, for editors, or of JSON reports
    Schema(generate::Schema),
    /// Print a completion script for a shell
    Completions(generate::Completions),
    /// Print the manual page, or write those of all commands to a folder
    Man(generate::Man),
}

/// Runs the command that `args` ask for, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let exit = run_command(args);
    terminal::finish().map_or_else(|unwritable| unwritable.max(exit), |()| exit)
}

fn run_command(args: impl IntoIterator<Item = OsString>) -> Exit {
    let matches = match Cli::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => Ok(check::run(&args)),
        Command::Replay(args) => replay::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Gateway(args) => gateway::run(&args),
        Command::VllmSim(args) => vllm_sim::run(&args),
        Command::Openai(args) => openai::run(&args),
        Command::List(args) => list::run(&args),
        Command::Breaks(args) => breaks::run(&args),
        Command::Invariants(args) => invariants::run(&args),
        Command::Init(args) => Ok(init::run(&args)),
        Command::Schema(args) => Ok(generate::schema(&args)),
        Command::Completions(args) => Ok(generate::completions(&args, Cli::command())),
        Command::Man(args) => generate::man(&args, Cli::command()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::of(&error)
    })
}

fn usage(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        // A closed pipe is no reason to fail: nobody is left to read.
        let _ = error.print();
        return Exit::Usage;
    }
    terminal::keep(error.print());
    Exit::Passed
}
