//! What tokens cost.

use crate::scenario::Price;
use crate::scenario::fields::Fields;
use crate::source::{Diagnostic, Entry};

/// What may stand under a model's price.
pub(in crate::scenario) const OF_PRICE: &[&str] = &["input", "output"];

/// The prices of models.
pub(in crate::scenario) fn prices(top: Fields<'_>) -> Vec<Price> {
    let Some(entry) = top.value("prices") else { return Vec::new() };
    let reader = top.reader();
    let entries = reader.entries(&entry.value, "from a model to its price");
    if !entries.is_empty() {
        reader.has_price();
    }
    entries.iter().filter_map(|one| price(top, one)).collect()
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
