//! What the requests cost: tokens by the account of the providers, so that a retry and an answer
//! that nobody read count as well.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::expectations::{Came, Scope, too_many};
use super::traits::is_model;
use crate::event::Usage;
use crate::event::history::Served;
use crate::scenario::Price;
use crate::scenario::expect::{Bounds, Money, TokenKind};
use crate::source::amount::counted;

/// Tokens that a price is for.
const PRICED: f64 = 1_000_000.0;

/// How many tokens the providers spent.
pub(super) fn tokens(scope: &Scope<'_>, of: TokenKind, count: &Bounds<u64>) -> Came {
    let spent = Spent::of(scope);
    if spent.by_model.is_empty() {
        return Came::unknown(count.to_string(), NOTHING);
    }
    let found = spent.by_model.values().map(|usage| tokens_of(of, *usage)).sum();
    let told = format!("{found}: {}", spent.told());
    if count.contain(found) {
        return Came::pass(told);
    }
    Came::fail(count.to_string(), told).because(spent.lines()).certain(too_many(count, found))
}

/// What the tokens cost.
pub(super) fn cost(scope: &Scope<'_>, prices: &[Price], cost: &Bounds<Money>) -> Came {
    let spent = Spent::of(scope);
    if spent.by_model.is_empty() {
        return Came::unknown(cost.to_string(), NOTHING);
    }
    let mut sum = 0.0;
    for (model, usage) in &spent.by_model {
        let Some(price) = price_of(model, prices) else {
            let why = format!("{model} spent tokens, and has no price");
            return Came::unknown(cost.to_string(), why).because(spent.lines());
        };
        sum += (real(usage.input) * price.input + real(usage.output) * price.output) / PRICED;
    }
    let told = format!("{}: {}", Money(sum), spent.told());
    // Sums of fractions are not exact.
    if cost.contain(Money((sum * 1e9).round() / 1e9)) {
        return Came::pass(told);
    }
    let certain = cost.most.is_some_and(|most| sum > most.0);
    Came::fail(cost.to_string(), told).because(spent.lines()).certain(certain)
}

const NOTHING: &str = "no provider tells of a token";

fn price_of<'p>(model: &str, prices: &'p [Price]) -> Option<&'p Price> {
    let exact = prices.iter().find(|price| price.model == model);
    exact.or_else(|| prices.iter().find(|price| is_model(model, &price.model)))
}

fn tokens_of(kind: TokenKind, usage: Usage) -> u64 {
    match kind {
        TokenKind::Prompt => usage.input,
        TokenKind::Completion => usage.output,
        TokenKind::Total => usage.input + usage.output,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

/// What was spent, by the model that was asked.
struct Spent {
    by_model: BTreeMap<String, Usage>,
    answers: BTreeMap<String, u64>,
}

impl Spent {
    fn of(scope: &Scope<'_>) -> Self {
        let requests: BTreeSet<&str> = scope.requests.iter().map(|request| request.id.as_str()).collect();
        let own = |served: &&Served| served.request.as_deref().is_some_and(|request| requests.contains(request));
        let mut spent = Self { by_model: BTreeMap::new(), answers: BTreeMap::new() };
        for served in scope.history.served.iter().filter(own) {
            let Some(usage) = served.usage else { continue };
            let model = served.model.clone().unwrap_or_else(|| "a model without a name".to_owned());
            let sum = spent.by_model.entry(model.clone()).or_default();
            sum.input += usage.input;
            sum.output += usage.output;
            *spent.answers.entry(model).or_default() += 1;
        }
        spent
    }

    fn told(&self) -> String {
        let sum = |kind| self.by_model.values().map(|usage| tokens_of(kind, *usage)).sum::<u64>();
        format!("{} prompt and {} completion tokens", sum(TokenKind::Prompt), sum(TokenKind::Completion))
    }

    fn lines(&self) -> Vec<String> {
        let line = |(model, usage): (&String, &Usage)| {
            let answers = self.answers.get(model).copied().unwrap_or(0);
            let answers = counted(answers, "answer");
            format!("{model}: {} prompt and {} completion tokens in {answers}", usage.input, usage.output)
        };
        self.by_model.iter().map(line).collect()
    }
}
