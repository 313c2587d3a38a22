//! What tokens cost.

use crate::scenario::fields::Fields;
use crate::scenario::{Content, Price, Step};
use crate::source::diagnostic::nearest_or_all;
use crate::source::{Diagnostic, Entry, Spanned};
use crate::topology::{Backend, Topology};

/// What may stand under a model's price.
pub(in crate::scenario) const OF_PRICE: &[&str] = &["input", "output"];

/// The prices of models. One that no provider of the lab has is told of.
pub(in crate::scenario) fn prices(top: Fields<'_>, topologies: &[&Topology], steps: &[Spanned<Step>]) -> Vec<Price> {
    let Some(entry) = top.value("prices") else { return Vec::new() };
    let reader = top.reader();
    let entries = reader.entries(&entry.value, "from a model to its price");
    if !entries.is_empty() {
        reader.has_price();
    }
    if let Some(models) = models(topologies, steps) {
        let is = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        // A dated name has the price of the bare one.
        for one in entries.iter().filter(|one| !models.iter().any(|model| is(model, &one.key) || is(&one.key, model))) {
            let diagnostic = Diagnostic::warning(format!("no provider has the model `{}`", one.key));
            let diagnostic = diagnostic.at(one.key_place, "this price is never paid");
            reader.push(diagnostic.help(nearest_or_all(&one.key, &models)));
        }
    }
    entries.iter().filter_map(|one| price(top, one)).collect()
}

/// The models that an answer may come from; none where a client's own choice goes through to a provider, or
/// where there is no provider.
fn models<'t>(topologies: &[&'t Topology], steps: &'t [Spanned<Step>]) -> Option<Vec<&'t str>> {
    let providers = || topologies.iter().flat_map(|all| &all.backends).flat_map(Backend::providers);
    let own: Option<Vec<&str>> = providers().map(|(_, provider)| provider.model.as_deref()).collect();
    let asked = steps.iter().filter_map(|step| match &step.value.request()?.content {
        Content::Prompt { model, .. } => Some(model.as_str()),
        _ => None,
    });
    let mut models: Vec<&str> =
        own.filter(|own| !own.is_empty())?.into_iter().chain(asked).filter(|one| !one.is_empty()).collect();
    models.sort_unstable();
    models.dedup();
    Some(models)
}

fn price(top: Fields<'_>, one: &Entry) -> Option<Price> {
    let reader = top.reader();
    let fields = reader.fields(&one.value, "a price", OF_PRICE)?;
    let amount = |key: &str| -> Option<f64> {
        let Some(entry) = fields.value(key) else {
            let diagnostic = Diagnostic::error(format!("`{key}` is missing here")).at(one.key_place, "");
            reader.push(diagnostic.help("such as `{ input: 2.50, output: 10 }`, for a million tokens"));
            return None;
        };
        let amount = reader.scalar(&entry.value).and_then(|text| text.parse::<f64>().ok());
        let amount = amount.filter(|amount| amount.is_finite() && *amount >= 0.0);
        if amount.is_none() {
            reader.push(reader.expected(&entry.value, "a price for a million tokens, such as `2.50`"));
        }
        amount
    };
    let (input, output) = (amount("input"), amount("output"));
    Some(Price { model: one.key.clone(), input: input?, output: output? })
}
