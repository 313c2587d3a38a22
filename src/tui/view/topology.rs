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

mod plan;
mod provider;

use std::time::Duration;

use super::canvas::{Canvas, width};
use super::faults;
use super::wires::{Way, Wires};
use crate::event::At;
use crate::tui::action::{Action, Place};
use crate::tui::fold::Replica;
use crate::tui::health::State;
use crate::tui::model::{Model, Source};
use crate::tui::pace::Pace;
use crate::tui::row::{Class, Row};
use crate::tui::text::short;
use crate::tui::theme::Role;
use plan::{Box2, Plan, plan};
use provider::{Seen, draw_provider};

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
    click_links(&plan, canvas);
    draw_client(model, &plan, canvas);
    for (number, place) in plan.replicas.iter().enumerate() {
        if let Some(replica) = model.fold.replicas.get(number) {
            draw_replica(number, replica, *place, canvas);
            canvas.click(place.x, place.y, place.width, place.height, Action::BreakAt(Place::Replica(number)));
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

/// How many requests the client has sent.
fn sent(model: &Model) -> String {
    format!("{} sent", short(model.fold.begun as u64))
}

fn draw_client(model: &Model, plan: &Plan, canvas: &mut Canvas<'_>) {
    let place = plan.client;
    canvas.click(place.x, place.y, place.width, place.height, Action::BreakAt(Place::Client));
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

/// A link is clicked where its wire leads to one end only.
fn click_links(plan: &Plan, canvas: &mut Canvas<'_>) {
    for (number, place) in plan.replicas.iter().enumerate() {
        let from = if plan.replicas.len() == 1 { plan.client.right() } else { plan.turns.0 };
        let link = Action::BreakAt(Place::LinkToReplica(number));
        canvas.click(from, place.middle(), place.x.saturating_sub(from), 1, link);
    }
    for (number, y) in plan.providers.iter().enumerate() {
        let Some(y) = *y else { continue };
        let from = plan.turns.1;
        let link = Action::BreakAt(Place::LinkToProvider(number));
        canvas.click(from, y, plan.provider_x.saturating_sub(from), 1, link);
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
