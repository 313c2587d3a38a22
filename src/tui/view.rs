//! Draws a model: whole screens here, one file a panel beside.
//!
//! ```text
//!  labsim  intra-group · seed 7        1 Overview  2 Topology  3 Requests …
//! ╭ Topology ────────────────────────────────────────────────────────────╮
//! │ client ──▶ replicas ──▶ groups of providers                          │
//! ╰──────────────────────────────────────────────────────────────────────╯
//! ╭ Requests ──────────────────────────────╮╭ Scenario ──────────────────╮
//! │                                        ││                            │
//! ╰────────────────────────────────────────╯╰────────────────────────────╯
//!  ▶ follow  00:01.450 ├───✗──────●┈┈┈┈┈┈┈↩┈┈┈┈┤ 01:04.120
//!  space pause  ←→ second  n next event …                          ? help
//! ```
//!
//! Drawing changes nothing: it returns what a click would do and how long the list is.

pub(super) mod canvas;
mod charts;
mod clock;
pub(super) mod events;
mod faults;
mod help;
mod letters;
mod menu;
mod note;
mod requests;
mod scenario;
mod status;
mod story;
mod topology;
mod wires;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::action::{Action, Tab};
use super::model::{Model, Open};
use super::theme::Role;
use canvas::Canvas;

/// What a click at a place does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hits {
    areas: Vec<(Rect, Action)>,
    slider: Rect,
}

/// What a drawing tells back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Drawn {
    pub(super) hits: Hits,
    /// Lines of the list that the arrow keys move in.
    pub(super) page: usize,
    /// How far what lies open may be scrolled, or else the panel with the file, from where it would stand.
    pub(super) scroll: (isize, isize),
}

impl Hits {
    fn push(&mut self, area: Rect, action: Action) {
        self.areas.push((area, action));
    }

    /// What a click does; what was drawn last lies on top.
    pub(super) fn click(&self, x: u16, y: u16) -> Option<Action> {
        self.slide(x, y).or_else(|| {
            let hit = self.areas.iter().rev().find(|(area, _)| area.contains(Position { x, y }));
            hit.map(|(_, action)| action.clone())
        })
    }

    /// What dragging to a column does once it has begun on the bar: a hand does not keep to a line.
    pub(super) fn slide_on(&self, x: u16) -> Option<Action> {
        let last = self.slider.right().saturating_sub(1).max(self.slider.x);
        self.slide(x.clamp(self.slider.x, last), self.slider.y)
    }

    /// What dragging to a place does.
    pub(super) fn slide(&self, x: u16, y: u16) -> Option<Action> {
        if !self.slider.contains(Position { x, y }) {
            return None;
        }
        let (along, whole) = (u32::from(x - self.slider.x), u32::from(self.slider.width.max(2) - 1));
        u16::try_from(along * 1_000 / whole).ok().map(Action::Seek)
    }
}

/// From so many lines on the projector has the sentence in large letters too.
const LARGE_NOTE: u16 = 27;

/// In fewer lines than this there is no room for three panels at once.
const LEAST_FOR_THREE: u16 = 11;

/// Below this size there is only a line that says so.
const SMALLEST: (u16, u16) = (40, 10);

/// Draws the whole screen.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) -> Drawn {
    let area = frame.area();
    draw_on(model, frame.buffer_mut(), area)
}

/// Draws the whole screen on a buffer.
pub(super) fn draw_on(model: &Model, buffer: &mut Buffer, area: Rect) -> Drawn {
    let mut hits = Hits::default();
    let (mut page, mut scroll) = (0, (0, 0));
    let mut canvas = Canvas::new(buffer, &mut hits, area, &model.theme);
    canvas.clear();
    let (width, height) = (canvas.width(), canvas.height());
    if width < SMALLEST.0 || height < SMALLEST.1 {
        canvas.text(0, 0, "labsim: this terminal is too small; 80×24 is enough", Role::Text);
        return Drawn { hits, page, scroll };
    }
    status::title(model, &mut canvas.part(0, 0, width, 1));
    clock::draw(model, &mut canvas.part(0, height - 2, width, 1));
    status::keys(model, &mut canvas.part(0, height - 1, width, 1));
    let mut middle = canvas.part(0, 1, width, height - 3);
    if model.projector {
        page = projector(model, &mut middle);
    } else {
        page = match model.tab {
            Tab::Overview => overview(model, &mut middle),
            Tab::Topology => topology_tab(model, &mut middle, &mut scroll),
            Tab::Requests => requests_tab(model, &mut middle),
            Tab::Scenario => scenario::full(model, &mut middle, &mut scroll),
            Tab::Charts => charts::full(model, &mut middle),
            Tab::Events => events::full(model, &mut middle),
        };
    }
    if matches!(model.open, Open::Help | Open::Menu) {
        // Beside what lies over the panels there is nothing but the way back to them.
        let close = if model.open == Open::Help { Action::Back } else { Action::BreakMenu };
        middle.click(0, 0, width, height - 3, close);
    }
    let most = match model.open {
        Open::Nothing => None,
        Open::Help => Some(help::draw(model, &mut middle)),
        Open::Menu => {
            menu::draw(model, &mut middle);
            None
        }
        Open::Story(index) => Some(story::draw(model, index, &mut middle)),
        Open::Compare(one, two) => Some(story::compare(model, one, two, &mut middle)),
    };
    if let Some(most) = most {
        scroll = (0, most.cast_signed());
    }
    Drawn { hits, page, scroll }
}

/// ```text
/// ╭ Topology ──────────────╮   wide:  ╭ Topology ─────────╮╭ Scenario ───╮
/// ╰────────────────────────╯          │                   │╰─────────────╯
/// ╭ Requests ──╮╭ Scenario ╮          ╰───────────────────╯╭ Charts ─────╮
/// ╰────────────╯╰──────────╯          ╭ Requests ─────────╮╰─────────────╯
///                                     │                   │╭ Events ─────╮
///                                     ╰───────────────────╯╰─────────────╯
/// ```
fn overview(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    if width >= 160 && height >= 36 {
        return wide_overview(model, canvas);
    }
    if height < LEAST_FOR_THREE {
        return requests::panel(model, canvas);
    }
    let wanted = topology::height(model, width.saturating_sub(2)) + 2;
    let top = wanted.clamp(6, (height * 3 / 5).max(6)).min(height - 5);
    topology::panel(model, &mut canvas.part(0, 0, width, top));
    let left = (width * 3 / 5).max(width.saturating_sub(56)).min(width - 28);
    scenario::panel(model, &mut canvas.part(left, top, width - left, height - top));
    requests::panel(model, &mut canvas.part(0, top, left, height - top))
}

fn wide_overview(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let left = width * 62 / 100;
    let wanted = topology::height(model, left - 2) + 2;
    let top = wanted.clamp(14, height / 2);
    topology::panel(model, &mut canvas.part(0, 0, left, top));
    let (scenario, charts) = (height * 2 / 5, height * 3 / 10);
    scenario::panel(model, &mut canvas.part(left, 0, width - left, scenario));
    charts::panel(model, &mut canvas.part(left, scenario, width - left, charts));
    events::panel(model, &mut canvas.part(left, scenario + charts, width - left, height - scenario - charts));
    // Where nothing else needs the room, the selected request is told in full below the table.
    let below = if height - top >= 36 { (height - top) / 2 } else { 0 };
    if below > 0 {
        story::beside(model, &mut canvas.part(0, height - below, left, below));
    }
    requests::panel(model, &mut canvas.part(0, top, left, height - top - below))
}

fn topology_tab(model: &Model, canvas: &mut Canvas<'_>, scroll: &mut (isize, isize)) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let gantt = if height >= 20 { charts::gantt_height(model).min(height / 3) } else { 0 };
    let most = topology::full(model, &mut canvas.part(0, 0, width, height - gantt));
    *scroll = (0, most.cast_signed());
    if gantt > 0 {
        charts::gantt(model, &mut canvas.part(0, height - gantt, width, gantt));
    }
    usize::from(height - gantt).saturating_sub(2)
}

fn requests_tab(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let beside = if width >= 150 { width * 2 / 5 } else { 0 };
    if beside > 0 {
        story::beside(model, &mut canvas.part(width - beside, 0, beside, height));
    }
    if beside == 0 {
        return requests::full(model, canvas);
    }
    requests::panel(model, &mut canvas.part(0, 0, width - beside, height))
}

/// ```text
///  the note in letters of three lines
/// ╭ Topology ────────────────────────────────╮
/// ╰──────────────────────────────────────────╯
///  #3  200  openai-provider  in letters
/// ```
fn projector(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    // On a small terminal it is the topology that is larger: the sentence takes a few lines, or what is left over.
    let note = match note::large_height(model, width).min(height / 2) {
        note if height < LARGE_NOTE && note.saturating_add(topology::large_height(model)) > height => note.min(2),
        note => note,
    };
    note::large(model, &mut canvas.part(0, 0, width, note));
    let last = if height >= 20 + note { 4 } else { 0 };
    topology::panel(model, &mut canvas.part(0, note, width, height - note - last));
    if last > 0 {
        requests::large(model, &mut canvas.part(0, height - last, width, last));
    }
    0
}
