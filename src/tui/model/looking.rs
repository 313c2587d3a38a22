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
use crate::tui::view::events::SEARCHED;

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
            Tab::Overview | Tab::Topology | Tab::Requests => self.move_selection(by),
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
        }
    }

    pub(super) fn scroll_events(&mut self, by: isize) {
        let end = self.fold.position;
        let last = self.events.last.unwrap_or(end).saturating_add_signed(by).clamp(self.page.min(end), end);
        self.events.last = Some(last).filter(|last| *last < end);
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
        let wanted = if self.tab == Tab::Events { self.request_of_event() } else { self.selected() };
        match wanted {
            Some(index) => (self.open, self.scroll) = (Open::Story(index), 0),
            None if self.tab == Tab::Events => self.say("the last line is an event of no request"),
            None => {}
        }
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
        let Some(selected) = self.selected() else { return };
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
        match (self.marks.as_slice(), self.selected()) {
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
            _ => self.selected(),
        };
        if let Some(story) = index.and_then(|index| self.story(index)) {
            let address = self.addresses.first().map(|(_, address)| address.as_str());
            let curl = story.curl(address);
            let more = match (story.is_whole(), curl.contains("$API_KEY")) {
                (true, false) => "",
                (true, true) => "; $API_KEY stands for its key",
                (false, _) => "; put in its body and its key",
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
