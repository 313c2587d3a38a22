//! What a person can do at the screen. Keys and the mouse become actions; actions change the model.

use super::landmarks::Sort;
use super::listing::Column;

/// The screens that fill the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tab {
    /// Topology, requests and scenario at once.
    #[default]
    Overview,
    Topology,
    Requests,
    Scenario,
    Charts,
    Events,
}

/// All tabs, in the order of their keys.
pub(super) const TABS: [Tab; 6] =
    [Tab::Overview, Tab::Topology, Tab::Requests, Tab::Scenario, Tab::Charts, Tab::Events];

/// One thing that a person does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// A click where there is nothing to click on.
    Nothing,
    Quit,
    Help,
    /// Closes what is open, or takes the filter away.
    Back,
    Show(Tab),
    NextTab,
    PreviousTab,

    /// Moves the selection, or scrolls what is open.
    Move(isize),
    Page(isize),
    First,
    Last,
    /// Opens the selected line.
    Open,
    /// Selects a line and opens it if it was selected.
    Select(usize),

    TogglePause,
    /// To the next event (positive) or the one before.
    StepEvent(isize),
    /// Moves by this many milliseconds of virtual time.
    StepTime(i64),
    Faster,
    Slower,
    FollowPace,
    /// To the next landmark of a kind, or the one before.
    Jump {
        forward: bool,
        sort: Option<Sort>,
    },
    /// To the beginning.
    ToStart,
    /// To the latest moment, and along with it.
    ToHead,
    /// To a share of all time, in thousandths.
    Seek(u16),

    Filter,
    Type(char),
    Erase,
    EraseAll,
    Accept,
    /// Another of the words that may stand in a field.
    Cycle(isize),
    SortBy,
    /// By this column, or the other way if it is so already.
    SortOn(Column),
    Reverse,
    NewestFirst,
    Mark,
    Compare,
    Theme,
    Projector,
    CopyCurl,
    ExportText,
    ExportSvg,
    ExportCast,
    ExportReport,

    BreakMenu,
    /// Opens the menu for something in the topology.
    BreakAt(Place),
    /// Puts the menu's cursor on a line, and chooses it if it was there.
    Pick(usize),
    /// Takes the menu's form as it is.
    Submit,
    ClearFaults,
    Send,
    Burst,
    ToggleLoad,
    WriteScenario,
}

/// Something in the topology that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Provider(usize),
    /// What leaves the client: its link to the gateway.
    Client,
    Replica(usize),
    /// The link from the client to a replica, or to the gateway where it has one.
    LinkToReplica(usize),
    /// The link from the gateway to a provider.
    LinkToProvider(usize),
}

impl Action {
    /// Whether it is about the lists of requests and events.
    pub(super) fn is_about_lists(&self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Filter
                | Self::SortBy
                | Self::SortOn(_)
                | Self::Reverse
                | Self::NewestFirst
                | Self::Mark
                | Self::Select(_)
        )
    }
}

impl Tab {
    /// Its name on the screen.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Topology => "Topology",
            Self::Requests => "Requests",
            Self::Scenario => "Scenario",
            Self::Charts => "Charts",
            Self::Events => "Events",
        }
    }

    /// The tab `by` places further on.
    pub(super) fn moved(self, by: isize) -> Self {
        let here = TABS.iter().position(|tab| *tab == self).unwrap_or(0);
        let count = TABS.len().cast_signed();
        TABS[(here.cast_signed() + by).rem_euclid(count).cast_unsigned() % TABS.len()]
    }
}
