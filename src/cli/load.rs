//! `labsim load`: load on an address outside a lab, in real time.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::json;

use super::table::Format;
use super::terminal::{Colour, Stream};
use super::{Exit, signals};
use crate::event::At;
use crate::event::measured::Aims;
use crate::report;
use crate::scenario::{Content, DEFAULT_PROMPT, METHODS, Send};
use crate::source::Span;
use crate::traffic::Stretch;
use crate::traffic::generate::{Generated, Pace, Plan, generate};
use crate::world::Seed;

/// What `labsim load` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to: `http://127.0.0.1:8080/openai`
    #[arg(value_name = "URL")]
    url: String,
    /// A closed load: so many users, each of whom waits for an answer before asking again
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    /// From the end of an answer to the same user's next request
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with_all = ["rate", "ramp"])]
    think: Option<Span>,
    /// An open load: so many requests a second, whatever becomes of them
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "users")]
    rate: Option<f64>,
    /// An open load whose rate changes evenly while it lasts: `1..100`
    #[arg(long, value_name = "FROM..TO", value_parser = ramp, conflicts_with_all = ["users", "rate"])]
    ramp: Option<(f64, f64)>,
    /// Requests come by chance, as from independent users (a Poisson process)
    #[arg(long, conflicts_with = "users")]
    poisson: bool,
    /// No request begins after this long
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = span)]
    lasts: Span,
    /// How many requests at most
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    /// HTTP method
    #[arg(short, long, default_value = "POST", value_parser = METHODS)]
    method: String,
    /// The message of the user, in a chat request
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PROMPT)]
    prompt: String,
    /// The model that the chat request names
    #[arg(long, default_value = "")]
    model: String,
    /// Ask for a stream
    #[arg(long)]
    stream: bool,
    /// A body in place of a chat request
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prompt", "model", "stream"])]
    body: Option<String>,
    /// A header of each request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How long an answer may take as a whole
    #[arg(long, value_name = "TIME", value_parser = span)]
    timeout: Option<Span>,
    /// What an answer must keep to count as good: `ttft=500ms`, `latency=5s`
    #[arg(long, value_name = "AIM=TIME", value_delimiter = ',', value_parser = aim)]
    objective: Vec<(Aim, Span)>,
    /// Seed of the chance in `--poisson`
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many threads work; as many as there are cores where absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Allow an address that is not of this machine
    #[arg(long)]
    remote: bool,
    /// How the figures are told: JSON has the keys of `loads` in a JSON report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
}

/// What an objective is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    FirstToken,
    Latency,
}

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "write requests a second, such as 50 or 0.5".to_owned())?;
    if rate > 0.0 && rate <= 1e6 { Ok(rate) } else { Err("a rate is above 0 and at most 1000000".to_owned()) }
}

fn ramp(text: &str) -> Result<(f64, f64), String> {
    let (from, to) = text.split_once("..").ok_or("write two rates, such as 1..100")?;
    Ok((rate(from)?, rate(to)?))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write a name and a value, such as `accept: */*`")?;
    let name = name.trim().parse().map_err(|_| format!("`{}` is not the name of a header", name.trim()))?;
    let value = value.trim().parse().map_err(|_| "this is not the value of a header".to_owned())?;
    Ok((name, value))
}

fn aim(text: &str) -> Result<(Aim, Span), String> {
    let (aim, time) = text.split_once('=').ok_or("write such as ttft=500ms or latency=5s")?;
    let aim = match aim {
        "ttft" => Aim::FirstToken,
        "latency" => Aim::Latency,
        other => return Err(format!("an objective is `ttft` or `latency`, not `{other}`")),
    };
    Ok((aim, Span::parse(time)?))
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let plan = match plan(args) {
        Ok(plan) => plan,
        Err(wrong) => {
            eprintln!("error: {wrong}");
            return Ok(Exit::Usage);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let of_signals = stop.clone();
    signals::watch(move |_, count| {
        of_signals.store(true, Ordering::Relaxed);
        if count > 1 {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    })?;
    let generated = generate(&plan, &stop)?;
    tell(args, &generated);
    if stop.load(Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    let nobody = generated.measured.ends.keys().all(|end| end == "refused");
    Ok(if nobody { Exit::Unavailable } else { Exit::Passed })
}

fn tell(args: &Args, generated: &Generated) {
    let Generated { measured, elapsed, trouble } = generated;
    if let Some(trouble) = trouble {
        eprintln!("warning: not every request was answered; the first trouble was: {trouble}");
    }
    match args.format {
        Format::Json => Stream::Out.line(format!("{:#}", measured.as_json(*elapsed))),
        Format::Text => {
            for line in report::load::lines(measured, *elapsed, args.color.on(Stream::Out)) {
                Stream::Out.line(line);
            }
        }
    }
}

fn plan(args: &Args) -> Result<Plan, String> {
    let url: Uri =
        args.url.parse().map_err(|_| format!("`{}` is no address: write http://HOST:PORT/PATH", args.url))?;
    let (address, host) = address(&url, args.remote)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let path = path.parse().map_err(|_| format!("`{path}` is not a path"))?;
    let body = body(args);
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host.parse().map_err(|_| format!("`{host}` is no host"))?);
    if !body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &args.headers {
        headers.insert(name, value.clone());
    }
    Ok(Plan {
        address,
        method: args.method.parse().map_err(|_| "no such method")?,
        path,
        headers,
        body: body.into(),
        timeout: args.timeout.map(|span| span.0),
        pace: pace(args),
        lasts: Some(args.lasts.0),
        times: args.times.unwrap_or(u64::MAX),
        aims: aims(args),
        threads: args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from),
    })
}

/// Whom to connect to, and what to call them.
fn address(url: &Uri, remote: bool) -> Result<(SocketAddr, String), String> {
    match url.scheme_str() {
        Some("http") => {}
        Some(other) => return Err(format!("load is made over plain http, not {other}")),
        None => return Err(format!("`{url}` has no scheme: write http://{url}")),
    }
    let authority = url.authority().ok_or("the address has no host")?;
    let (host, port) = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let found: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| format!("cannot find {host}: {error}"))?.collect();
    let own = found.iter().find(|address| address.ip().is_loopback());
    let address = own.or_else(|| found.first().filter(|_| remote));
    let address = address.ok_or_else(|| format!("{host} is not this machine; --remote allows that"))?;
    Ok((*address, authority.to_string()))
}

/// What each request carries: text, a chat request, or nothing.
fn body(args: &Args) -> String {
    if let Some(body) = &args.body {
        return body.clone();
    }
    if ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&args.method.as_str()) {
        return String::new();
    }
    let content = Content::Prompt { prompt: args.prompt.clone(), model: args.model.clone() };
    let send = Send { content, stream: args.stream, ..Send::to("/") };
    send.body().unwrap_or_else(|| json!({})).to_string()
}

fn pace(args: &Args) -> Pace {
    let stretch = |lasts, from, to| Stretch { lasts, from, to };
    let profile = match (args.rate, args.ramp) {
        (Some(rate), _) => vec![stretch(None, rate, rate)],
        (None, Some((from, to))) => vec![stretch(Some(args.lasts.0), from, to), stretch(None, to, to)],
        (None, None) => {
            let think = args.think.map(|span| span.0).unwrap_or_default();
            return Pace::Users { count: usize::try_from(args.users).unwrap_or(1), think };
        }
    };
    Pace::Rate { profile, chance: args.poisson.then(|| Box::new(Seed(args.seed).stream("load"))) }
}

fn aims(args: &Args) -> Aims {
    let of = |wanted: Aim| {
        let found = args.objective.iter().rev().find(|(aim, _)| *aim == wanted);
        found.map(|(_, span)| At::after(span.0).0)
    };
    Aims { ttft_us: of(Aim::FirstToken), latency_us: of(Aim::Latency) }
}
