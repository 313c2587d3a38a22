//! `labsim replay`: a recording on the screen, as plain lines, or as reports.

mod folder;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::Exit;
use super::acting::bench::Bench;
use super::judging::Judging;
use super::observe;
use super::outputs;
use super::picture;
use super::record;
use super::reports;
use super::run::{blank, conclude, detail, exit_of, lines};
use super::screen;
use super::terminal::{Colour, People, Stream};
use crate::event::Event;
use crate::event::log::{self, Header, ReadError};
use crate::tui::{self, Judge};

/// What `labsim replay` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording that `labsim run --record` wrote, or the folder of them that it wrote of several runs
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// What is written about the run
    #[command(flatten)]
    reports: reports::Args,
    /// What operators of the gateway would look at
    #[command(flatten)]
    observe: observe::Args,
    /// How the screen looks and behaves
    #[command(flatten)]
    screen: screen::ScreenArgs,
    /// A picture of it
    #[command(flatten)]
    picture: picture::PictureArgs,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
    /// Show failures and the summary only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Show how each provider was chosen as well
    #[arg(short, long)]
    verbose: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    args.screen.check()?;
    if args.path.is_dir() {
        return folder::run(args);
    }
    let file = match File::open(&args.path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("error: cannot read {}: {error}", args.path.display());
            return Ok(Exit::Usage);
        }
    };
    let (header, events) = match log::open(BufReader::new(file)) {
        Ok(opened) => opened,
        Err(error) => return Ok(unreadable(args, &error)),
    };
    let plain = args.reports.any() || args.observe.any() || args.quiet || args.verbose;
    if plain || args.picture.is_wanted() || !args.screen.is_wanted() {
        return Ok(match events.collect() {
            Ok(events) if args.picture.is_wanted() => args.picture.write(header, events, args.screen.theme()),
            Ok(events) => tell_again(args, header, events)?,
            Err(error) => unreadable(args, &error),
        });
    }
    let judge = Judging::of_recording(&header).map(|judge| Box::new(judge) as Box<dyn Judge>);
    let bench = Box::new(Bench::of_recording(header.clone()));
    tui::replay(header, events, judge, bench, args.screen.options()?)?;
    Ok(Exit::Passed)
}

fn unreadable(args: &Args, error: &ReadError) -> Exit {
    eprintln!("error: {}: {error}", args.path.display());
    Exit::Invalid
}

/// Tells what the run told, and writes what it could have written.
fn tell_again(args: &Args, header: Header, events: Vec<Event>) -> anyhow::Result<Exit> {
    let run = match record::replayed(&header, &events) {
        Ok(run) => run,
        Err(error) => {
            eprintln!("error: the scenario in {} cannot be read: {error}", args.path.display());
            return Ok(Exit::Invalid);
        }
    };
    let written: Vec<_> = args.observe.outputs().chain(args.reports.outputs()).collect();
    outputs::check([args.path.as_path()], &written)?;
    let (reports, watch) = (args.reports.open()?, args.observe.open()?.watch(&header, None)?);
    let people = Stream::for_people(args.observe.take_stdout() || args.reports.take_stdout());
    let (style, detail) = (args.color.on(people), detail(args.quiet, args.verbose));
    let told = People::from(people);
    let (head, live) = lines(&header, told.clone(), style, detail);
    people.tell(head);
    let mut sinks = [watch.sink(), live];
    for event in &events {
        for sink in &mut sinks {
            sink.event(event);
        }
    }
    people.tell(blank(detail));
    conclude(&run, &told, style, detail);
    let written = watch.finish().and(reports.write(&[record::of_run(&run, header, events)], people));
    let exit = exit_of(&run);
    Ok(written.map_or_else(|unwritten| unwritten.max(exit), |()| exit))
}
