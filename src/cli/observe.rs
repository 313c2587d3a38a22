//! What a gateway's operators would look at, written to files or sent on: access log, metrics, traces.

mod collector;

use std::fs::File;
use std::io::{self, BufWriter, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::ValueEnum;
use jiff::Timestamp;

use super::Exit;
use super::exit::{Misuse, Unwritable};
use super::outputs::{self, Output, is_stdout};
use crate::event::log::Header;
use crate::event::{At, Event, Sink, WithBodies};
use crate::report::access_log::{self, AccessLog};
use crate::report::exchange::Exchange;
use crate::report::metrics::{self, Metrics};
use crate::report::traces::{Export, Traces};
use crate::topology::Tracing;
use crate::world::clock::VIRTUAL_START;

use collector::{Collector, Protocol, TracesTo};

/// What is asked for on the command line.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "observe")]
pub(super) struct Args {
    /// Write the gateway's access log; `-` is standard output, and what people read goes to standard error
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// How a line of the access log is written. Where absent: as `config.logging.format` of agentgateway's own
    /// configuration says, else as text
    #[arg(long, value_enum, value_name = "FORMAT", requires = "access_log")]
    access_log_format: Option<LogFormat>,
    /// Put the bodies of answers into the access log
    #[arg(long, requires = "access_log")]
    access_log_body: bool,
    /// Hide the addresses of clients in the access log
    #[arg(long, requires = "access_log")]
    access_log_mask: bool,
    /// Write the metrics at the end, in Prometheus' text format; for several runs this is a folder
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Write OpenTelemetry traces to a file, or send them to a collector at `http://HOST:PORT`; for
    /// several runs the file is a folder
    #[arg(long, value_name = "FILE|URL", value_parser = TracesTo::parse)]
    traces: Option<TracesTo>,
    /// How the collector is spoken to. Where absent: as the environment's `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` or
    /// `OTEL_EXPORTER_OTLP_PROTOCOL` says, else gRPC at port 4317, and JSON over HTTP at any other
    #[arg(long, value_enum, value_name = "PROTOCOL", requires = "traces")]
    traces_protocol: Option<Protocol>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Time, level, scope and `key=value` pairs
    Text,
    /// A JSON object a line
    Json,
}

/// So many bytes of the access log are written at once, while there are as many.
const LOG_BUFFER: usize = 64 * 1024;
impl Args {
    /// Whether anything is asked for.
    pub(super) fn any(&self) -> bool {
        self.access_log.is_some() || self.metrics.is_some() || self.traces.is_some()
    }

    /// The same, with traces sent where a configuration says, unless they go elsewhere.
    pub(super) fn or_traces_to(mut self, tracing: Option<&Tracing>) -> Self {
        if let (None, Some(tracing)) = (&self.traces, tracing) {
            self.traces = TracesTo::parse(&format!("http://{}", tracing.collector)).ok();
            self.traces_protocol = Some(if tracing.grpc { Protocol::Grpc } else { Protocol::HttpJson });
        }
        self
    }

    /// The files that are asked for.
    pub(super) fn outputs(&self) -> impl Iterator<Item = Output<'_>> {
        let traces = match &self.traces {
            Some(TracesTo::File(path)) => Some(path),
            Some(TracesTo::Collector(_)) | None => None,
        };
        let log = self.access_log.as_ref();
        let log = log.map(|path| Output::of_all(format!("--access-log {}", path.display()), path));
        let of_one = [("--metrics", self.metrics.as_ref()), ("--traces", traces)];
        log.into_iter().chain(of_one.into_iter().filter_map(|(option, path)| Some(Output::of_one(option, path?))))
    }

    /// Whether any goes to standard output.
    pub(super) fn take_stdout(&self) -> bool {
        self.outputs().any(|output| is_stdout(output.path))
    }

    /// Opens what all runs share.
    ///
    /// # Errors
    /// [`Unwritable`], [`Misuse`].
    pub(super) fn open(&self) -> anyhow::Result<Outputs> {
        self.open_as(|file| Box::new(LineWriter::new(file)))
    }

    /// The same, with the access log written in heaps: it takes [`Watch::flush`] for the last lines.
    ///
    /// # Errors
    /// As [`Args::open`].
    pub(super) fn open_in_heaps(&self) -> anyhow::Result<Outputs> {
        self.open_as(|file| Box::new(BufWriter::with_capacity(LOG_BUFFER, file)))
    }

    fn open_as(&self, log_file: fn(File) -> Box<dyn Write + Send>) -> anyhow::Result<Outputs> {
        let log: Option<Box<dyn Write + Send>> = match &self.access_log {
            None => None,
            Some(path) if is_stdout(path) => Some(Box::new(io::stdout())),
            Some(path) => Some(log_file(outputs::create_for("access log", path)?)),
        };
        let collector = self.collector()?;
        Ok(Outputs { args: self.clone(), log: log.map(|log| Arc::new(Mutex::new(log))), collector })
    }

    /// Where traces are sent, if they are.
    fn collector(&self) -> Result<Option<Collector>, Misuse> {
        let found = match (&self.traces, self.traces_protocol) {
            (Some(TracesTo::Collector(url)), protocol) => Collector::new(url, protocol).map(Some),
            (Some(TracesTo::File(_)), Some(_)) => {
                Err("a file of traces is JSON, whatever `--traces-protocol` says".to_owned())
            }
            (_, _) => Ok(None),
        };
        found.map_err(Misuse)
    }

    fn access_log(&self, header: &Header, start: Timestamp) -> AccessLog {
        let format = match self.access_log_format {
            None if header.json_log => access_log::Format::Json,
            None | Some(LogFormat::Text) => access_log::Format::Text,
            Some(LogFormat::Json) => access_log::Format::Json,
        };
        let options = access_log::Options { response_body: self.access_log_body, mask_client: self.access_log_mask };
        AccessLog::new(format, header, start, options)
    }
}

/// The access log of all runs.
type LogFile = Arc<Mutex<Box<dyn Write + Send>>>;

/// What all runs of a command line write to.
pub(super) struct Outputs {
    args: Args,
    log: Option<LogFile>,
    collector: Option<Collector>,
}

impl Outputs {
    /// Begins a run. `name` is the run's own where each needs a file.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(super) fn watch(&self, header: &Header, name: Option<&str>) -> Result<Watch, Unwritable> {
        let start = header.start.parse().unwrap_or(VIRTUAL_START);
        let log = self.log.clone().map(|out| (self.args.access_log(header, start), out));
        let metrics = match &self.args.metrics {
            Some(path) => Some((Metrics::new(header), NamedFile::create("metrics", path, name, "prom")?)),
            None => None,
        };
        let to = match &self.args.traces {
            Some(TracesTo::File(path)) => Some(Target::File(NamedFile::create("traces", path, name, "otlp.json")?)),
            _ => self.collector.clone().map(Target::Collector),
        };
        let traces = to.map(|to| (Traces::new(header, start), to));
        let watched = Watched { log, metrics, traces, now: At::default(), failed: None, lost: None };
        Ok(Watch(Arc::new(Mutex::new(watched))))
    }
}

/// A run that is observed. Cheap to clone.
#[derive(Clone)]
pub(super) struct Watch(Arc<Mutex<Watched>>);

struct Watched {
    log: Option<(AccessLog, LogFile)>,
    metrics: Option<(Metrics, NamedFile)>,
    traces: Option<(Traces, Target)>,
    now: At,
    failed: Option<io::Error>,
    /// Why spans are gone that should have been sent.
    lost: Option<String>,
}

#[derive(Clone)]
enum Target {
    File(NamedFile),
    Collector(Collector),
}

#[derive(Clone)]
struct NamedFile {
    what: &'static str,
    path: PathBuf,
    file: Arc<File>,
}

impl NamedFile {
    /// Makes the file: the path itself, or one of this name in the folder.
    fn create(what: &'static str, path: &Path, name: Option<&str>, extension: &str) -> Result<Self, Unwritable> {
        let path = match name {
            Some(name) => {
                outputs::create_folder(path)?;
                path.join(format!("{name}.{extension}"))
            }
            None => path.to_owned(),
        };
        let file = outputs::create_for(what, &path)?;
        Ok(Self { what, path, file: Arc::new(file) })
    }

    fn write(&self, text: &str) -> Result<(), String> {
        let failed = |error| format!("cannot write the {} {}: {error}", self.what, self.path.display());
        (&*self.file).write_all(text.as_bytes()).map_err(failed)
    }
}

impl Watch {
    /// What hears the run's events.
    pub(super) fn sink(&self) -> Box<dyn Sink> {
        let watch = self.clone();
        self.asking(Box::new(move |event: &Event| watch.lock().apply(event)))
    }

    /// A sink that hears for it, and asks for the bodies that it shows.
    pub(super) fn asking(&self, sink: Box<dyn Sink>) -> Box<dyn Sink> {
        let shows = self.lock().log.as_ref().is_some_and(|(log, _)| log.shows_bodies());
        if shows { Box::new(WithBodies(sink)) } else { sink }
    }

    /// Takes in the next event, with the request that it ends: for one who puts requests together already.
    pub(super) fn hear(&self, event: &Event, ended: Option<&Exchange>) {
        let mut watched = self.lock();
        if let (Some((log, _)), Some(ended)) = (&watched.log, ended) {
            let line = log.line_of(ended);
            watched.write(&line);
        }
        watched.follow(event);
    }

    /// Sends on the spans of requests that, at `now`, ended a second ago or earlier.
    ///
    /// # Errors
    /// Why it was in vain; the spans are gone, which [`Watch::finish`] tells once more.
    pub(super) async fn export(&self, now: At) -> Result<(), String> {
        let sent = self.export_until(At(now.0.saturating_sub(1_000_000))).await;
        if let Err(why) = &sent {
            self.lock().lost = Some(why.clone());
        }
        sent
    }

    async fn export_until(&self, until: At) -> Result<(), String> {
        let (exports, to): (Vec<Export>, Target) = {
            let mut watched = self.lock();
            let Some((traces, to)) = &mut watched.traces else { return Ok(()) };
            (std::iter::from_fn(|| traces.take(until)).collect(), to.clone())
        };
        match to {
            Target::File(file) => exports.iter().try_for_each(|export| file.write(&format!("{}\n", export.json()))),
            Target::Collector(collector) => collector.send(&exports).await,
        }
    }

    /// Writes what is held back of the access log.
    pub(super) fn flush(&self) {
        let out = self.lock().log.as_ref().map(|(_, out)| out.clone());
        if let Some(out) = out {
            // What fails now fails again at the end, and is told then.
            let _ = out.lock().unwrap_or_else(PoisonError::into_inner).flush();
        }
    }

    /// Writes what is written at the end.
    ///
    /// # Errors
    /// [`Exit::Unavailable`], after telling what could not be written now, and what could not be sent meanwhile.
    pub(super) fn finish(&self) -> Result<(), Exit> {
        let (log, metrics, has_traces) = {
            let mut watched = self.lock();
            let metrics = watched.metrics.as_ref().map(|(all, file)| (metrics::render(all, watched.now), file.clone()));
            let flushed =
                watched.log.as_ref().map(|(_, out)| out.lock().unwrap_or_else(PoisonError::into_inner).flush());
            let flushed = flushed.and_then(Result::err).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
            (watched.failed.take().or(flushed), metrics, watched.traces.is_some())
        };
        let log = log.map_or(Ok(()), |error| Err(format!("cannot write the access log: {error}")));
        let metrics = metrics.map_or(Ok(()), |(text, file)| file.write(&text));
        let traces = if has_traces { at_once(self.export_until(At(u64::MAX))) } else { Ok(()) };
        let traces = traces.and(self.lock().lost.take().map_or(Ok(()), Err));
        let failed: Vec<String> = [log, metrics, traces].into_iter().filter_map(Result::err).collect();
        for what in &failed {
            eprintln!("error: {what}");
        }
        if failed.is_empty() { Ok(()) } else { Err(Exit::Unavailable) }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn apply(&mut self, event: &Event) {
        if let Some(line) = self.log.as_mut().and_then(|(log, _)| log.line(event)) {
            self.write(&line);
        }
        self.follow(event);
    }

    /// Writes a line of the access log.
    fn write(&mut self, line: &str) {
        let Some((_, out)) = &self.log else { return };
        let written = out.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        // A closed pipe is no reason to stop: nobody is left to read.
        let failed = written.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        self.failed = self.failed.take().or(failed);
    }

    /// Everything but the access log.
    fn follow(&mut self, event: &Event) {
        self.now = event.at_us;
        if let Some((metrics, _)) = &mut self.metrics {
            metrics.apply(event);
        }
        if let Some((traces, _)) = &mut self.traces {
            traces.apply(event);
        }
    }
}

/// Runs a future to its end on a runtime of its own.
fn at_once(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(format!("cannot send the traces: {error}")),
    }
}
