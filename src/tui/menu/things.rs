//! The lists of the menu: what there is to break, and what can happen to it.

use super::{Does, Item, List, Question, Target};
use crate::tui::bench::FaultKind;
use crate::tui::command::{Act, Cleared};
use crate::tui::faults::Active;

/// What there is in the lab just now.
pub(in crate::tui) struct Lab<'l> {
    /// Providers: the name that faults know them by, and what is to be said of them.
    pub(in crate::tui) providers: Vec<(String, String)>,
    pub(in crate::tui) replicas: usize,
    pub(in crate::tui) faults: &'l [Active],
    /// Whether a load is under way.
    pub(in crate::tui) load: bool,
}

/// Everything that can be broken, and what else can be done.
pub(in crate::tui) fn things(lab: &Lab<'_>) -> List {
    let mut items = vec![Item::heading("Providers")];
    for (name, about) in &lab.providers {
        items.push(Item::new(name, about, aim(name, false)));
    }
    items.push(Item::heading("Links"));
    items.extend(links(lab));
    items.push(Item::heading("Gateway"));
    items.extend(gateway(lab));
    items.push(Item::heading("Requests"));
    items.extend(requests(lab));
    if !lab.faults.is_empty() {
        items.push(Item::heading("Faults that are active"));
        items.extend(clearing(lab.faults));
    }
    List::new("Break things", items)
}

fn aim(name: &str, is_link: bool) -> Does {
    Does::Aim(Target { name: name.to_owned(), is_link })
}

fn link(from: &str, to: &str) -> Item {
    let name = format!("{from} -> {to}");
    let does = aim(&name, true);
    Item::new(name, "", does)
}

fn links(lab: &Lab<'_>) -> Vec<Item> {
    let mut items = vec![link("client", "gateway")];
    items.extend(lab.providers.iter().map(|(name, _)| link("gateway", name)));
    if lab.replicas > 1 {
        for replica in 0..lab.replicas {
            let replica = format!("gateway/{replica}");
            items.push(link("client", &replica));
            items.extend(lab.providers.iter().map(|(name, _)| link(&replica, name)));
        }
    }
    items
}

fn gateway(lab: &Lab<'_>) -> Vec<Item> {
    let restart = |replica, text: String| {
        let said = format!("{text}: its health state is lost");
        Item::new(text, "", Does::Act(Act::Restart(replica), said))
    };
    let mut items = vec![restart(None, "restart the gateway".to_owned())];
    if lab.replicas > 1 {
        let replicas = (0..lab.replicas).filter_map(|replica| u32::try_from(replica).ok());
        items.extend(replicas.map(|replica| restart(Some(replica), format!("restart replica {replica}"))));
    }
    let now = if lab.replicas == 1 { "1 replica now".to_owned() } else { format!("{} replicas now", lab.replicas) };
    items.push(Item::new("scale the gateway…", now, Does::Ask(Question::Scale)));
    items.push(Item::new("apply manifests…", "another configuration, from a file", Does::AskForFile));
    items
}

fn requests(lab: &Lab<'_>) -> Vec<Item> {
    let one = Does::Act(Act::Send(1), "one request is on its way".to_owned());
    let load = if lab.load {
        Item::new("stop the load", "", Does::Act(Act::StopLoad, "the load stops".to_owned()))
    } else {
        Item::new("start a load…", "", Does::Ask(Question::Load))
    };
    let like = "like the scenario's latest step that sends";
    vec![Item::new("send one request", like, one), Item::new("send a burst…", "", Does::Ask(Question::Burst)), load]
}

fn clearing(faults: &[Active]) -> Vec<Item> {
    let mut items: Vec<Item> = faults.iter().map(clear_one).collect();
    let all = Does::Act(Act::Clear(Cleared::All), "all faults are cleared".to_owned());
    items.push(Item::new("clear all faults", "", all));
    items
}

fn clear_one(fault: &Active) -> Item {
    let said = format!("{} at {} is cleared", fault.name, fault.target);
    let text = format!("clear {} at {}", fault.name, fault.target);
    Item::new(text, fault.described(), Does::Act(Act::Clear(Cleared::One(fault.id)), said))
}

/// What can happen to one target. `around` is the list that it was chosen from: what can be cleared
/// there can be cleared here too.
pub(in crate::tui) fn faults(target: &Target, catalogue: &[FaultKind], around: &[Item]) -> List {
    let mut items = Vec::new();
    let clears_here = |item: &&Item| {
        let ending = format!(" at {}", target.name);
        matches!(item.does, Does::Act(Act::Clear(Cleared::One(_)), _)) && item.text.ends_with(&ending)
    };
    let clears: Vec<Item> = around.iter().filter(clears_here).cloned().collect();
    if !target.is_link {
        items.push(Item::heading("How it is"));
        let rate = Does::Ask(Question::FailureRate(target.name.clone()));
        items.push(Item::new("failure rate…", "how many of its answers are failures", rate));
    }
    items.extend(clears);
    for (title, on_link) in [("Faults of its answers", false), ("Faults of the network", true)] {
        if target.is_link && !on_link {
            continue;
        }
        items.push(Item::heading(title));
        let fits = catalogue.iter().enumerate().filter(|(_, kind)| kind.on_link == on_link);
        items.extend(fits.map(|(at, kind)| Item::new(&kind.name, &kind.about, Does::Fill(target.clone(), at))));
    }
    List::new(format!("What happens at {}", target.name), items)
}
