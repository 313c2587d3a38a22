//! What a person looks at: lists that are scrolled, requests that are chosen, marked, opened and filtered.

use std::sync::Arc;

use super::{Effect, Model, Open};
use crate::tui::action::Tab;
use crate::tui::filter::Filter;
use crate::tui::keys::Context;
use crate::tui::listing::{Column, Listing, Wanted};
use crate::tui::row::Row;
use crate::tui::story::{self, Story};
use crate::tui::telling;
use crate::tui::view::{self, events::SEARCHED};

/// Requests at most that have begun since one of which an event still tells.
const BESIDE: usize = 4_096;

impl Model {
    pub(super) fn moved(&mut self, by: isize) {
        if let (Open::Menu, Some(menu)) = (self.open, &mut self.acting.menu) {
            menu.moved(by);
            return;
        }
        if self.open != Open::Nothing {
            self.scroll = self.scroll.saturating_add_signed(by);
            return;
        }
        match self.tab {
            Tab::Events => self.scroll_events(by),
            Tab::Scenario => {
                self.scenario_scroll = self.scenario_scroll.saturating_add(by);
            }
            Tab::Charts => {}
            Tab::Topology => self.topology_scroll = self.topology_scroll.saturating_add_signed(by),
            Tab::Overview | Tab::Requests => self.move_selection(by),
        }
    }

    /// Takes note of how much room a drawing had: of the lines of its list, and of how far it may be scrolled,
    /// since nobody should have to scroll back what was never seen.
    pub(in crate::tui) fn fit(&mut self, page: usize, (least, most): (isize, isize)) {
        self.page = page;
        if self.open != Open::Nothing {
            self.scroll = self.scroll.min(most.max(0).unsigned_abs());
        } else if self.tab == Tab::Scenario {
            self.scenario_scroll = self.scenario_scroll.clamp(least, most);
        } else if self.tab == Tab::Topology {
            self.topology_scroll = self.topology_scroll.min(most.max(0).unsigned_abs());
        }
    }

    pub(super) fn scroll_events(&mut self, by: isize) {
        let end = self.fold.position;
        let here = self.events.last.unwrap_or(end).min(end);
        let last = match by {
            _ if self.filter.is_empty() => here.saturating_add_signed(by).clamp(self.page.min(end), end),
            ..0 => self.fitting_before(here, by.unsigned_abs()),
            _ => self.fitting_after(here, by.unsigned_abs()),
        };
        self.events.last = Some(last).filter(|last| *last < end);
    }

    /// Where a list ends that is `by` events that fit the filter further up; the first page is full.
    fn fitting_before(&self, end: usize, by: usize) -> usize {
        let count = by.saturating_add(self.page).min(SEARCHED);
        let found = view::events::fitting(self, end, count);
        let kept = found.len().saturating_sub(by).max(self.page.min(found.len()));
        kept.checked_sub(1).and_then(|last| found.get(last)).map_or(end, |(position, ..)| position + 1)
    }

    /// Where a list ends that is `by` events that fit the filter further down.
    fn fitting_after(&self, end: usize, by: usize) -> usize {
        let (mut left, mut last) = (by, None);
        self.timeline.scan(end..self.fold.position.min(end.saturating_add(SEARCHED)), |position, event| {
            if self.filter.takes_event(event, &telling::line(event).1) {
                (left, last) = (left - 1, Some(position + 1));
            }
            left > 0
        });
        // After the last that fits the list follows again.
        last.filter(|_| left == 0).unwrap_or(self.fold.position)
    }

    pub(super) fn move_selection(&mut self, by: isize) {
        let listing = self.listing();
        let count = listing.len();
        if count == 0 {
            return;
        }
        let newest_line = if self.newest_on_top() { 0 } else { count - 1 };
        let here = self.table.selected.and_then(|selected| listing.line_of(selected)).unwrap_or(newest_line);
        let line = here.saturating_add_signed(by).min(count - 1);
        // At the newest line the selection goes along with it.
        let follows = line == newest_line && self.table.sort == Column::Number;
        self.table.selected = if follows { None } else { listing.index_at(line) };
    }

    /// Whether the newest request stands in the first line.
    pub(in crate::tui) fn newest_on_top(&self) -> bool {
        !self.table.oldest_first ^ (self.table.reverse && self.table.sort == Column::Number)
    }

    /// The request that is selected, or followed.
    pub(in crate::tui) fn selected(&self) -> Option<usize> {
        let listing = self.listing();
        match self.table.selected.filter(|selected| listing.line_of(*selected).is_some()) {
            Some(selected) => Some(selected),
            None if self.newest_on_top() => listing.index_at(0),
            None => listing.len().checked_sub(1).and_then(|line| listing.index_at(line)),
        }
    }

    pub(super) fn select(&mut self, index: usize) {
        if self.table.selected == Some(index) {
            self.open = Open::Story(index);
            self.scroll = 0;
        }
        self.table.selected = Some(index);
    }

    pub(super) fn open_selected(&mut self) {
        if self.open != Open::Nothing {
            return;
        }
        match self.looked_at() {
            Some(index) => (self.open, self.scroll) = (Open::Story(index), 0),
            None if self.tab == Tab::Events => self.say("the last line is an event of no request"),
            None => {}
        }
    }

    /// The request that is looked at: the one that is selected, and among events that of the last one listed.
    pub(super) fn looked_at(&self) -> Option<usize> {
        if self.tab == Tab::Events && !self.projector { self.request_of_event() } else { self.selected() }
    }

    /// The position of the last event that is listed.
    pub(in crate::tui) fn last_event_shown(&self) -> Option<usize> {
        let end = self.events.last.unwrap_or(self.fold.position).min(self.fold.position);
        let fits = |position: &usize| {
            let event = self.timeline.event(*position);
            event.is_some_and(|event| self.filter.takes_event(&event, &telling::line(&event).1))
        };
        (end.saturating_sub(SEARCHED)..end).rev().find(|position| self.filter.is_empty() || fits(position))
    }

    /// The request that the last event that is listed tells of.
    fn request_of_event(&self) -> Option<usize> {
        let position = self.last_event_shown()?;
        let event = self.timeline.event(position)?;
        let id = story::request_of(&event)?;
        let begins = |index: usize| self.row(index).map(|row| row.position as usize);
        // Requests stand in the order in which they began.
        let (mut least, mut upto) = (0, self.fold.begun);
        while least < upto {
            let middle = usize::midpoint(least, upto);
            if begins(middle).is_some_and(|at| at <= position) { least = middle + 1 } else { upto = middle }
        }
        let is_it = |index: &usize| {
            let first = begins(*index).and_then(|at| self.timeline.event(at));
            first.is_some_and(|first| story::request_of(&first) == Some(id))
        };
        (least.saturating_sub(BESIDE)..least).rev().find(is_it)
    }

    /// Takes a text that was pasted: into what is typed just now. Else its letters would be taken for keys.
    pub(in crate::tui) fn paste(&mut self, text: &str) {
        if matches!(self.context(), Context::Typing | Context::Form) {
            let line = text.lines().next().unwrap_or_default();
            self.type_text(|typed| typed.extend(line.chars().filter(|char| !char.is_control())));
        }
    }

    /// Changes what is being typed: a name, a field, or the filter.
    pub(super) fn type_text(&mut self, change: impl FnOnce(&mut String)) {
        if let Some(name) = &mut self.acting.prompt {
            change(name);
            return;
        }
        if !self.typing && self.open == Open::Menu {
            self.edit_form(|form| form.edit(change));
            return;
        }
        change(&mut self.filter_text);
        self.filter = Filter::parse(&self.filter_text);
    }

    pub(super) fn mark(&mut self) {
        let Some(selected) = self.looked_at() else { return };
        if let Some(at) = self.marks.iter().position(|mark| *mark == selected) {
            self.marks.remove(at);
            return;
        }
        if self.marks.len() == 2 {
            self.marks.remove(0);
        }
        self.marks.push(selected);
    }

    pub(super) fn compare(&mut self) {
        match (self.marks.as_slice(), self.looked_at()) {
            ([one, two], _) => self.toggle(Open::Compare(*one, *two)),
            ([one], Some(selected)) if selected != *one => self.toggle(Open::Compare(*one, selected)),
            _ => self.say("mark two requests with m first"),
        }
    }

    pub(super) fn copy_curl(&mut self) {
        let index = match self.open {
            Open::Story(index) => Some(index),
            Open::Compare(..) => {
                self.say("these are two requests: open the one that is to be copied");
                return;
            }
            _ => self.looked_at(),
        };
        if let Some(story) = index.and_then(|index| self.story(index)) {
            let address = self.addresses.first().map(|(_, address)| address.as_str());
            let curl = story.curl(address);
            let more = match (story.is_whole(), curl.contains("$API_KEY")) {
                (true, false) => "",
                (true, true) => "; $API_KEY stands for its key",
                (false, true) if story.lacks_body() => "; put in its body and its key",
                (false, false) if story.lacks_body() => "; put in its body",
                (false, true) => "; $API_KEY stands for its key",
                (false, false) => "",
            };
            // Nobody answers: whether the terminal takes it is its own affair.
            let number = story.request.number;
            self.say(format!("request {number} as curl went to the terminal's clipboard (OSC 52){more}"));
            self.effects.push(Effect::Copy(curl));
        } else {
            self.say("there is no request to copy");
        }
    }

    /// A request as it is at the moment that is shown.
    pub(in crate::tui) fn row(&self, index: usize) -> Option<Row> {
        self.timeline.row(&self.fold, index)
    }

    /// Everything known about a request at the moment that is shown.
    pub(in crate::tui) fn story(&self, index: usize) -> Option<Arc<Story>> {
        let mut cached = self.story.borrow_mut();
        if let Some((of, story)) = &*cached
            && *of == index
            && story.holds_at(self.fold.position)
        {
            return Some(story.clone());
        }
        let story = Arc::new(Story::of(&self.timeline, &self.fold, &self.row(index)?)?);
        *cached = Some((index, story.clone()));
        Some(story)
    }

    /// The requests to show, filtered and sorted.
    pub(in crate::tui) fn listing(&self) -> Listing {
        let (sort, reverse) = (self.table.sort, self.table.reverse);
        let backwards = self.newest_on_top() && sort == Column::Number;
        if self.filter.is_empty() && sort == Column::Number {
            return Listing::of_all(self.fold.begun).turned(backwards);
        }
        let wanted = Wanted { filter: self.filter.clone(), sort, reverse };
        self.chooser.borrow_mut().listing(&wanted, &self.timeline, &self.fold).turned(backwards)
    }
}
