//! Who stands where and how they fare: client, replicas, groups of providers, and requests on their way.
//!
//! ```text
//!                             mock-backend · group 0, preferred
//!  ╭client╮    ╭ replica 0 ╮╭──▶ ✗ bad-provider  EVICTED            mock-gpt-4o  33 %
//!  │3 sent├─●──┤ 3 taken   ├┤    ⏳ 43.2s of 60s ███████░░░░  429 · retry-after · 2nd time
//!  │1 open│    │ 1 pending ││
//!  ╰──────╯    ╰───────────╯╰──▶ ● good-provider                    mock-gpt-4o  67 %
//!                                health ██████████ 1.00 · 12ms · 1 in flight
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use super::canvas::{Canvas, fitted, width};
use super::wires::{Way, Wires};
use super::{faults, letters};
use crate::event::At;
use crate::tui::action::{Action, Tab};
use crate::tui::fold::{Fold, Replica};
use crate::tui::health::{Eviction, Health, State};
use crate::tui::model::{Model, Source};
use crate::tui::pace::Pace;
use crate::tui::row::{Class, Row};
use crate::tui::text::{countdown, millis, nth, short};
use crate::tui::theme::Role;

/// Where everything stands.
struct Plan {
    client: Box2,
    replicas: Vec<Box2>,
    /// Replicas that there is no room for.
    unseen_replicas: usize,
    /// The line of each provider's name, if there is room for it.
    providers: Vec<Option<u16>>,
    headings: Vec<(u16, String)>,
    provider_x: u16,
    /// Lines of a provider.
    lines: u16,
    turns: (u16, u16),
    /// Providers above and below those that are seen.
    unseen_providers: (usize, usize),
    /// How far they may be scrolled.
    most: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Box2 {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
}

impl Box2 {
    fn middle(self) -> u16 {
        self.y + self.height / 2
    }

    fn right(self) -> u16 {
        self.x + self.width
    }
}

impl Plan {
    /// The column at which a label begins that is seen at a place of a wire, so that it covers no box.
    fn beside_boxes(&self, x: u16, y: u16, wide: u16) -> u16 {
        let start = x.saturating_sub(wide / 2).max(self.client.right());
        let meets = |place: &&Box2| (place.y..place.y + place.height).contains(&y);
        match self.replicas.iter().find(meets) {
            Some(place) if x < place.x => start.min(place.x.saturating_sub(wide)),
            Some(place) => start.max(place.right()),
            None => start,
        }
    }
}

/// The height that shows everything at its best, without the frame.
pub(super) fn height(model: &Model, _width: u16) -> u16 {
    let providers = model.fold.chosen.len();
    let groups = model.timeline.lineup.groups(providers);
    let lines = groups.len() * 2 + providers * 3;
    u16::try_from(lines.saturating_sub(1)).unwrap_or(u16::MAX).max(5).saturating_add(faults::height(model))
}

/// The height, with the frame, that shows every provider in large letters.
pub(super) fn large_height(model: &Model) -> u16 {
    let providers = model.fold.chosen.len();
    let lines = providers * 6 + model.timeline.lineup.groups(providers).len() * 2 + 1;
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(faults::height(model))
}

/// The panel with its frame, from the first provider on.
pub(super) fn panel(model: &Model, canvas: &mut Canvas<'_>) {
    framed(model, 0, canvas);
}

/// The panel on a tab of its own. Says how far its providers may be scrolled.
pub(super) fn full(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    framed(model, model.topology_scroll, canvas)
}

fn framed(model: &Model, scroll: usize, canvas: &mut Canvas<'_>) -> usize {
    let mut inside = canvas.framed("Topology", Role::Border);
    let (width, height) = (inside.width(), inside.height());
    let below = faults::height(model).min(height / 3);
    let most = draw(model, scroll, &mut inside.part(0, 0, width, height - below));
    faults::draw(model, &mut inside.part(0, height - below, width, below));
    most
}

fn draw(model: &Model, scroll: usize, canvas: &mut Canvas<'_>) -> usize {
    let plan = plan(model, scroll, canvas.width(), canvas.height());
    let ways = Ways::of(&plan);
    draw_wires(model, &plan, &ways, canvas);
    draw_client(model, &plan, canvas);
    for (number, place) in plan.replicas.iter().enumerate() {
        if let Some(replica) = model.fold.replicas.get(number) {
            draw_replica(number, replica, *place, canvas);
        }
    }
    for (y, heading) in &plan.headings {
        let room = canvas.width().saturating_sub(plan.provider_x);
        canvas.field(plan.provider_x, *y, room, heading, Role::Faint);
    }
    for (number, y) in plan.providers.iter().enumerate() {
        if let Some(y) = y {
            draw_provider(model, number, *y, &plan, canvas);
        }
    }
    draw_unseen(&plan, canvas);
    draw_travellers(model, &plan, &ways, canvas);
    plan.most
}

fn draw_unseen(plan: &Plan, canvas: &mut Canvas<'_>) {
    let bottom = canvas.height().saturating_sub(1);
    let (above, below) = plan.unseen_providers;
    for (y, count, sign) in [(0, above, "↑"), (bottom, below, "…")] {
        if count > 0 {
            canvas.text(plan.provider_x, y, format!("{sign} {count} more"), Role::Faint);
        }
    }
    if plan.unseen_replicas > 0
        && let Some(last) = plan.replicas.last()
    {
        canvas.text(last.x, last.y + last.height, format!("… {} more", plan.unseen_replicas), Role::Faint);
    }
}

fn plan(model: &Model, scroll: usize, width: u16, height: u16) -> Plan {
    let (client_width, replica_width) = if width >= 90 { (11, 13) } else { (9, 11) };
    let client_width = self::width(&sent(model)).saturating_add(2).clamp(client_width, 14);
    // A provider has enough to say for this width; what is left over goes to the wires.
    let spare = width.saturating_sub(client_width + replica_width + 3 + 84) / 2;
    let between = (width / 14).max(spare).clamp(4, 30);
    let replica_x = client_width + between;
    let provider_x = replica_x + replica_width + between + 3;
    let (replicas, unseen_replicas) = replica_boxes(model.fold.replicas.len(), replica_x, replica_width, height);
    let mut plan = Plan {
        client: Box2 { x: 0, y: (height / 2).saturating_sub(2), width: client_width, height: 4.min(height) },
        replicas,
        unseen_replicas,
        providers: vec![None; model.fold.chosen.len()],
        headings: Vec::new(),
        provider_x,
        lines: 0,
        turns: (client_width + between / 2, replica_x + replica_width + between / 2),
        unseen_providers: (0, 0),
        most: 0,
    };
    place_providers(model, &mut plan, scroll, height);
    plan
}

fn replica_boxes(count: usize, x: u16, width: u16, height: u16) -> (Vec<Box2>, usize) {
    let tall = if count as u64 * 4 <= u64::from(height) { 4 } else { 3 };
    let room = usize::from((height / tall).max(1));
    let seen = if count > room { room.saturating_sub(1).max(1) } else { count };
    let Ok(seen_lines) = u16::try_from(seen) else { return (Vec::new(), count) };
    let free = height.saturating_sub(seen_lines * tall);
    let boxes = (0..seen_lines).map(|number| Box2 {
        x,
        y: number * tall + free * (2 * number + 1) / (2 * seen_lines),
        width,
        height: tall.min(height),
    });
    (boxes.collect(), count - seen)
}

/// Gives each provider its lines: three with room for air, two, or one.
fn place_providers(model: &Model, plan: &mut Plan, scroll: usize, height: u16) {
    let lineup = &model.timeline.lineup;
    let groups = lineup.groups(model.fold.chosen.len());
    let count = u16::try_from(model.fold.chosen.len()).unwrap_or(u16::MAX);
    let heads = u16::try_from(groups.len()).unwrap_or(u16::MAX);
    let needs = |lines: u16, air: u16| {
        count.saturating_mul(lines + air).saturating_add(heads.saturating_mul(1 + air)).saturating_sub(air)
    };
    let (lines, air, group_air) = match height {
        room if needs(5, 1) <= room && model.projector => (5, 1, 1),
        room if needs(3, 1) <= room && model.tab == Tab::Topology => (3, 1, 1),
        room if needs(2, 1) <= room => (2, 1, 1),
        room if needs(2, 0) + heads - 1 <= room => (2, 0, 1),
        room if needs(2, 0) <= room => (2, 0, 0),
        _ => (1, 0, 0),
    };
    plan.lines = lines;
    if needs(1, 0) > height {
        place_some(model, plan, scroll, height);
        return;
    }
    let used = count.saturating_mul(lines + air) + heads.saturating_mul(1 + group_air);
    let mut y = height.saturating_sub(used.saturating_sub(air.max(group_air))) / 2;
    for (position, (backend, group, members)) in groups.iter().enumerate() {
        if position > 0 {
            y += group_air;
        }
        plan.headings.push((y, heading(model, *backend, *group)));
        y += 1;
        for (place, member) in members.iter().enumerate() {
            if place > 0 {
                y += air;
            }
            plan.providers[*member] = Some(y);
            y = y.saturating_add(lines);
        }
    }
}

/// Where not all have even a line: those from a line on, with one above and one below that says how many more
/// there are.
fn place_some(model: &Model, plan: &mut Plan, scroll: usize, height: u16) {
    let groups = model.timeline.lineup.groups(model.fold.chosen.len());
    let rows: Vec<(Option<usize>, usize, usize)> = groups
        .iter()
        .flat_map(|(backend, group, members)| {
            let heading = std::iter::once((None, *backend, *group));
            heading.chain(members.iter().map(|member| (Some(*member), *backend, *group)))
        })
        .collect();
    let seen = usize::from(height);
    // From where on the last line is seen, with one above it that tells of the others.
    plan.most = rows.len().saturating_sub(seen).saturating_add(1).min(rows.len());
    let top = scroll.min(plan.most);
    let first = usize::from(top > 0);
    let room = seen - first.min(seen);
    let whole = rows.len() - top <= room;
    let shown = if whole { room } else { room.saturating_sub(1) };
    let count = |rows: &[(Option<usize>, usize, usize)]| rows.iter().filter(|(member, ..)| member.is_some()).count();
    plan.unseen_providers = (count(&rows[..top]), count(rows.get(top + shown..).unwrap_or_default()));
    for (place, (member, backend, group)) in rows.iter().skip(top).take(shown).enumerate() {
        let Ok(y) = u16::try_from(first + place) else { break };
        match member {
            Some(member) => plan.providers[*member] = Some(y),
            None => plan.headings.push((y, heading(model, *backend, *group))),
        }
    }
}

fn heading(model: &Model, backend: usize, group: usize) -> String {
    let lineup = &model.timeline.lineup;
    let rank = if group == 0 { ", preferred" } else { ", fallback" };
    let name = lineup.backends.get(backend).map_or("", String::as_str);
    let short = name.rsplit('/').next().unwrap_or(name);
    format!("{short} · group {group}{rank}")
}

/// How many requests the client has sent.
fn sent(model: &Model) -> String {
    format!("{} sent", short(model.fold.begun as u64))
}

fn draw_client(model: &Model, plan: &Plan, canvas: &mut Canvas<'_>) {
    let place = plan.client;
    let mut part = canvas.part(place.x, place.y, place.width, place.height);
    let mut inside = part.framed("client", Role::Border);
    let end = inside.width();
    inside.right(end, 0, sent(model), Role::Text);
    let open = model.fold.in_flight();
    inside.right(end, 1, format!("{open} open"), if open > 0 { Role::Accent } else { Role::Faint });
}

fn draw_replica(number: usize, replica: &Replica, place: Box2, canvas: &mut Canvas<'_>) {
    let role = if replica.up { Role::Border } else { Role::Bad };
    let mut part = canvas.part(place.x, place.y, place.width, place.height);
    let mut inside = part.framed(&format!("replica {number}"), role);
    if !replica.up && replica.starts == 0 {
        inside.text(0, 0, " starting", Role::Faint);
        return;
    }
    if !replica.up {
        inside.text(0, 0, " stopped", Role::Bad);
        return;
    }
    let taken = format!("{} taken", short(u64::from(replica.taken)));
    let end = inside.width();
    if inside.height() >= 2 {
        inside.right(end, 0, taken, Role::Text);
        let restarts = replica.starts.saturating_sub(1);
        let (text, role) = match (replica.pending, restarts) {
            (0, 1..) => (format!("start {}", restarts + 1), Role::Faint),
            (pending, _) => (format!("{pending} open"), if pending > 0 { Role::Accent } else { Role::Faint }),
        };
        inside.right(end, 1, text, role);
    } else {
        inside.right(end, 0, taken, if replica.pending > 0 { Role::Accent } else { Role::Text });
    }
}

/// A provider as all replicas together see it.
struct Seen<'f> {
    state: State,
    /// The replica whose view is shown where they differ: the one that thinks worst.
    worst: &'f Health,
    /// How many replicas think so.
    agreeing: usize,
    replicas: usize,
    pending: u32,
}

impl<'f> Seen<'f> {
    fn of(fold: &'f Fold, provider: usize, now: At) -> Option<Self> {
        let views = || fold.replicas.iter().filter_map(|replica| replica.health.get(provider));
        let state = views().map(|health| health.state(now)).max()?;
        let agreeing = views().filter(|health| health.state(now) == state);
        let until = |health: &Health| health.eviction.as_ref().map_or(At(0), |eviction| eviction.until);
        let is_worse = |one: &&Health, other: &&Health| {
            let latency = || one.latency_seconds.total_cmp(&other.latency_seconds);
            let score = || other.score.total_cmp(&one.score);
            until(one).cmp(&until(other)).then_with(score).then(one.failures.cmp(&other.failures)).then_with(latency)
        };
        Some(Self {
            state,
            agreeing: agreeing.clone().count(),
            worst: agreeing.max_by(is_worse)?,
            replicas: views().count(),
            pending: views().map(|health| health.pending).sum(),
        })
    }
}

fn draw_provider(model: &Model, number: usize, y: u16, plan: &Plan, canvas: &mut Canvas<'_>) {
    let Some(seen) = Seen::of(&model.fold, number, model.at) else { return };
    let room = canvas.width().saturating_sub(plan.provider_x);
    let mut part = canvas.part(plan.provider_x, y, room, plan.lines);
    part.click(0, 0, room, plan.lines, Action::BreakProvider(number));
    if plan.lines == 1 {
        draw_provider_line(model, number, &seen, &mut part);
    } else if plan.lines == 5 {
        draw_provider_large(model, number, &seen, &mut part);
    } else {
        draw_provider_card(model, number, &seen, &mut part);
    }
}

fn share(fold: &Fold, provider: usize) -> Option<f64> {
    let all: u32 = fold.chosen.iter().sum();
    (all > 0).then(|| f64::from(fold.chosen[provider]) / f64::from(all))
}

/// `✗ name  EVICTED 43.2s ███░░   33 %`
fn draw_provider_line(model: &Model, number: usize, seen: &Seen<'_>, part: &mut Canvas<'_>) {
    let provider = &model.timeline.lineup.providers[number];
    let (sign, role) = part.theme.state(seen.state);
    let room = part.width();
    part.text(0, 0, sign, role);
    // Where there is room for what the state says, the name gets the rest.
    let name_room = (room.saturating_sub(2) / 2).max(8).max(room.saturating_sub(66)).min(width(&provider.name));
    let after = part.name(2, 0, name_room, &provider.name, Role::Strong) + 1;
    let end = draw_share(model, number, seen, room, part);
    let mut rest = part.part(after, 0, end.saturating_sub(after + 1), 1);
    draw_state(model, seen, &mut rest, 0);
}

/// Name, state, model and share; below them what the state says.
fn draw_provider_card(model: &Model, number: usize, seen: &Seen<'_>, part: &mut Canvas<'_>) {
    let provider = &model.timeline.lineup.providers[number];
    let (sign, role) = part.theme.state(seen.state);
    let room = part.width();
    part.text(0, 0, sign, role);
    let end = draw_share(model, number, seen, room, part);
    let model_name = provider.model.as_deref().unwrap_or("");
    let wanted = width(&provider.name) + 2;
    let spare = end.saturating_sub(wanted + 14);
    let shown_model = if spare >= 6 { fitted(model_name, spare.min(24)) } else { String::new() };
    let end =
        if shown_model.is_empty() { end } else { part.right(end.saturating_sub(1), 0, &shown_model, Role::Faint) };
    let [whole, less] = state_words(seen);
    let word = if width(&provider.name) + width(&whole) + 5 <= end { whole } else { less };
    let word_room = if word.is_empty() { 3 } else { width(&word) + 5 };
    let name_room = end.saturating_sub(word_room).max(6).min(width(&provider.name));
    let after = part.name(2, 0, name_room, &provider.name, Role::Strong);
    part.field(after + 2, 0, end.saturating_sub(after + 3), &word, role);
    let mut below = part.part(2, 1, room.saturating_sub(2), 1);
    draw_state(model, seen, &mut below, 1);
    if part.height() >= 3 {
        let chosen = short(u64::from(model.fold.chosen.get(number).copied().unwrap_or(0)));
        let attempts = if chosen == "1" { "attempt" } else { "attempts" };
        let text = format!("{chosen} {attempts} · {}", provider.endpoint);
        part.field(2, 2, room.saturating_sub(2), &text, Role::Faint);
    }
}

/// For the back row: the state, or the countdown, in large letters.
fn draw_provider_large(model: &Model, number: usize, seen: &Seen<'_>, part: &mut Canvas<'_>) {
    let provider = &model.timeline.lineup.providers[number];
    let (sign, role) = part.theme.state(seen.state);
    let room = part.width();
    part.text(0, 0, sign, role);
    let end = draw_share(model, number, seen, room, part);
    part.name(2, 0, end.saturating_sub(3), &provider.name, Role::Strong);
    let said = match &seen.worst.eviction {
        Some(eviction) if seen.state == State::Evicted => {
            let left = countdown(eviction.left(model.at));
            let long = format!("evicted {left}");
            if letters::width(&long) + 2 <= room { long } else { left }
        }
        _ => seen.state.name().to_owned(),
    };
    letters::draw(part, 2, 1, &said, role);
    let mut below = part.part(2, 4, room.saturating_sub(2), 1);
    draw_state(model, seen, &mut below, 0);
}

/// The state in a word, and on how many replicas; in full, and shorter.
fn state_words(seen: &Seen<'_>) -> [String; 2] {
    let word = match seen.state {
        State::Healthy => "",
        State::Evicted => "EVICTED",
        other => other.name(),
    };
    if !word.is_empty() && seen.replicas > 1 && seen.agreeing < seen.replicas {
        let (agreeing, replicas) = (seen.agreeing, seen.replicas);
        [format!("{word} on {agreeing} of {replicas}"), format!("{word} {agreeing}/{replicas}")]
    } else {
        [word.to_owned(), word.to_owned()]
    }
}

/// Traffic share and what is under way, at the right edge; returns where it starts.
fn draw_share(model: &Model, number: usize, seen: &Seen<'_>, end: u16, part: &mut Canvas<'_>) -> u16 {
    let share =
        share(&model.fold, number).map_or_else(|| "   –".to_owned(), |share| format!("{:>3.0}%", share * 100.0));
    let start = part.right(end, 0, share, Role::Text);
    if seen.pending > 0 {
        let long = format!("{} in flight", seen.pending);
        // The name of the model is worth more than words for a sign.
        let provider = &model.timeline.lineup.providers[number];
        let named = if provider.model.is_some() { width(&provider.name) + 22 } else { 0 };
        let fits = named + width(&long) < start;
        let text = if fits { long } else { format!("{} {}", part.theme.signs.dot, seen.pending) };
        return part.right(start.saturating_sub(1), 0, text, Role::Accent);
    }
    start
}

/// What the state says: a health bar, or a countdown with the reason.
fn draw_state(model: &Model, seen: &Seen<'_>, part: &mut Canvas<'_>, y: u16) {
    // Where it is all that is said, the word for a bad state stands there too.
    let word = if y == 0 && seen.state == State::Degraded { seen.state.name() } else { "health" };
    let y = y.min(part.height().saturating_sub(1));
    let room = part.width();
    let bar = (room / 5).clamp(4, 20);
    let (_, role) = part.theme.state(seen.state);
    match (&seen.worst.eviction, seen.state) {
        (Some(eviction), State::Evicted) => {
            let left = countdown(eviction.left(model.at));
            let at = part.bar(0, y, bar, eviction.share_left(model.at), role);
            let at = part.text(at + 1, y, format!("{left} left"), Role::Strong);
            let why = reasons(eviction, seen.worst.evictions);
            let fits = |why: &&String| width(why) <= room.saturating_sub(at);
            let why = why.iter().find(fits).or(why.last()).map_or("", String::as_str);
            part.field(at, y, room.saturating_sub(at), why, Role::Faint);
        }
        (_, State::Returning) => {
            let at = part.bar(0, y, bar, seen.worst.score, role);
            let times = match seen.worst.evictions {
                1 => "once".to_owned(),
                2 => "twice".to_owned(),
                times => format!("{times} times"),
            };
            let text = format!(" may be chosen again · was evicted {times}");
            part.field(at, y, room.saturating_sub(at), &text, Role::Text);
        }
        _ => {
            let at = part.bar(0, y, bar, seen.worst.score, role);
            let mut text = format!(" {word} {:.2}", seen.worst.score);
            if seen.worst.latency_seconds > 0.0 {
                let _ = write!(text, " · {}", millis(Duration::from_secs_f64(seen.worst.latency_seconds.min(1e6))));
            }
            match seen.worst.failures {
                0 => {}
                1 => text += " · 1 failure",
                failures => drop(write!(text, " · {failures} failures in a row")),
            }
            if seen.worst.evictions > 0 {
                let _ = write!(text, " · evicted {}×", seen.worst.evictions);
            }
            part.field(at, y, room.saturating_sub(at), &text, Role::Text);
        }
    }
}

/// Why a provider is out, in full and ever shorter.
fn reasons(eviction: &Eviction, times: u32) -> [String; 4] {
    let Eviction { status, source, .. } = eviction;
    let whole = countdown(eviction.until.since(eviction.began));
    let times = nth(times);
    [
        format!(" of {whole} · {status} by {source} · {times} time"),
        format!(" · {status} by {source} · {times} time"),
        format!(" · {status} {source} · {times}"),
        format!(" · {status} · {times}"),
    ]
}

/// The ways from the client to the replicas and from there to the providers.
struct Ways {
    to_replica: Vec<Way>,
    /// By replica and provider.
    to_provider: Vec<Vec<Option<Way>>>,
}

impl Ways {
    fn of(plan: &Plan) -> Self {
        let start = (plan.client.right(), plan.client.middle());
        let reach = |place: &Box2| Way::between(start, (place.x.saturating_sub(1), place.middle()), plan.turns.0);
        let to_provider = |place: &Box2| {
            let from = (place.right(), place.middle());
            let to =
                |y: &Option<u16>| y.map(|y| Way::between(from, (plan.provider_x.saturating_sub(3), y), plan.turns.1));
            plan.providers.iter().map(to).collect()
        };
        Self {
            to_replica: plan.replicas.iter().map(reach).collect(),
            to_provider: plan.replicas.iter().map(to_provider).collect(),
        }
    }

    /// The whole way of a request, as far as it is known.
    fn of_row(&self, row: &Row) -> Option<Way> {
        let replica = row.replica? as usize;
        let first = self.to_replica.get(replica)?;
        let second =
            row.provider.and_then(|provider| self.to_provider.get(replica)?.get(usize::from(provider))?.as_ref());
        Some(second.map_or_else(|| first.clone(), |second| first.clone().then(second)))
    }
}

fn draw_wires(model: &Model, plan: &Plan, ways: &Ways, canvas: &mut Canvas<'_>) {
    let mut wires = Wires::default();
    for way in ways.to_replica.iter().chain(ways.to_provider.iter().flatten().flatten()) {
        wires.lay(way, Role::Wire);
    }
    // The ways in use lie on top.
    for row in model.fold.open() {
        if let Some(way) = ways.of_row(row) {
            wires.lay(&way, Role::Accent);
        }
    }
    wires.draw(canvas);
    for place in &plan.replicas {
        canvas.text(place.x.saturating_sub(1), place.middle(), "▶", Role::Wire);
    }
    for (number, y) in plan.providers.iter().enumerate() {
        let Some(y) = y else { continue };
        let evicted = Seen::of(&model.fold, number, model.at)
            .is_some_and(|seen| seen.state == State::Evicted && seen.agreeing == seen.replicas);
        let (sign, role) = if evicted { ("╳", Role::Evicted) } else { ("▶", Role::Wire) };
        canvas.text(plan.provider_x.saturating_sub(2), *y, sign, role);
    }
}

/// How long a request is seen on its way out and back, in virtual time.
fn leg(model: &Model) -> Duration {
    match model.pacer.pace() {
        _ if model.source == Source::Real => Duration::from_millis(200),
        Pace::Follow => Duration::from_millis(25),
        Pace::Times(times) => Duration::from_secs_f64((0.2 * times).min(2.0)),
        Pace::Max => Duration::from_millis(200),
    }
}

/// More than this many are shown as points only.
const LABELLED: usize = 12;
/// More than this many are not drawn: they could not be told apart.
const DRAWN: usize = 400;

fn draw_travellers(model: &Model, plan: &Plan, ways: &Ways, canvas: &mut Canvas<'_>) {
    let leg = leg(model);
    let mut parked: std::collections::BTreeMap<(u16, u16), u16> = std::collections::BTreeMap::new();
    let crowded = model.fold.in_flight() > LABELLED;
    for row in model.fold.open().rev().take(DRAWN) {
        let Some(way) = ways.of_row(row) else { continue };
        let share = progress(model.at.since(row.sent), leg);
        let Some((x, y)) = way.at(share) else { continue };
        if share < 1.0 {
            canvas.text(x, y, canvas.theme.signs.dot, Role::Accent);
            continue;
        }
        // Those that wait for the same answer queue up along the wire.
        let queue = parked.entry((x, y)).or_default();
        let room = x.saturating_sub(plan.turns.1);
        canvas.text(x.saturating_sub((*queue).min(room)), y, canvas.theme.signs.dot, Role::Accent);
        *queue += 1;
    }
    if model.is_at_end() {
        // Time stands still here: nobody is to be seen standing on a wire for ever.
        return;
    }
    for row in &model.fold.recent {
        let Some(ended) = row.ended else { continue };
        // One that was answered at once is seen to get there first.
        let turned = ended.max(At(row.sent.0.saturating_add(At::after(leg).0)));
        let out = progress(model.at.since(row.sent), leg);
        let back = progress(model.at.since(turned), leg);
        let Some(way) = ways.of_row(row) else { continue };
        if out < 1.0 {
            if let Some((x, y)) = way.at(out) {
                canvas.text(x, y, canvas.theme.signs.dot, Role::Accent);
            }
        } else if back < 1.0
            && let Some((x, y)) = way.at(1.0 - back)
        {
            let class = row.class();
            let label = if crowded { canvas.theme.signs.dot.to_owned() } else { answer(row) };
            let start = plan.beside_boxes(x, y, width(&label));
            canvas.text(start, y, label, if class == Class::Good { Role::Good } else { class.role() });
        }
    }
}

/// What travels back: the status, or what happened instead.
fn answer(row: &Row) -> String {
    match (row.class(), row.status) {
        (Class::Broken, _) | (_, None) => row.outcome.map_or("?", crate::event::Outcome::name).to_owned(),
        (_, Some(status)) => status.to_string(),
    }
}

fn progress(elapsed: Duration, leg: Duration) -> f64 {
    if leg.is_zero() { 1.0 } else { (elapsed.as_secs_f64() / leg.as_secs_f64()).min(1.0) }
}
