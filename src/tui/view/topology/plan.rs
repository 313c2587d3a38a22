//! Where everything of the topology stands: boxes, headings, and the lines that each provider gets.

use crate::tui::action::Tab;
use crate::tui::model::Model;

/// Where everything stands.
pub(super) struct Plan {
    pub(super) client: Box2,
    pub(super) replicas: Vec<Box2>,
    /// Replicas that there is no room for.
    pub(super) unseen_replicas: usize,
    /// The line of each provider's name, if there is room for it.
    pub(super) providers: Vec<Option<u16>>,
    pub(super) headings: Vec<(u16, String)>,
    pub(super) provider_x: u16,
    /// Lines of a provider.
    pub(super) lines: u16,
    pub(super) turns: (u16, u16),
    /// Providers above and below those that are seen.
    pub(super) unseen_providers: (usize, usize),
    /// How far they may be scrolled.
    pub(super) most: usize,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Box2 {
    pub(super) x: u16,
    pub(super) y: u16,
    pub(super) width: u16,
    pub(super) height: u16,
}

impl Box2 {
    pub(super) fn middle(self) -> u16 {
        self.y + self.height / 2
    }

    pub(super) fn right(self) -> u16 {
        self.x + self.width
    }
}

impl Plan {
    /// The column at which a label begins that is seen at a place of a wire, so that it covers no box.
    pub(super) fn beside_boxes(&self, x: u16, y: u16, wide: u16) -> u16 {
        let start = x.saturating_sub(wide / 2).max(self.client.right());
        let meets = |place: &&Box2| (place.y..place.y + place.height).contains(&y);
        match self.replicas.iter().find(meets) {
            Some(place) if x < place.x => start.min(place.x.saturating_sub(wide)),
            Some(place) => start.max(place.right()),
            None => start,
        }
    }
}

/// Where everything stands in so many columns and lines, with the providers from `scroll` on where not all have a
/// line.
pub(super) fn plan(model: &Model, scroll: usize, width: u16, height: u16) -> Plan {
    let (client_width, replica_width) = if width >= 90 { (11, 13) } else { (9, 11) };
    let client_width = crate::tui::view::canvas::width(&super::sent(model)).saturating_add(2).clamp(client_width, 14);
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
