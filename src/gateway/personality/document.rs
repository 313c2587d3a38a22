//! The table of personalities in words, for `docs/personalities.md`.

use std::fmt::Write as _;

use super::{
    Accounting, AllOut, Behaviour, ClientErrors, Comeback, Compressed, Conditions, Connect, Credentials, CutStream,
    DefaultDuration, Errors, Failures, Growth, Handover, Policies, Refusals, Release, Reload, RetriedTimeout, Retries,
    Schema, Told, Trigger, Unlogged,
};
use crate::topology::Personality;

/// What a row of the document says of a personality.
type Says = fn(&Behaviour) -> &'static str;

/// The rows, in the order of a request's life.
const ROWS: [(&str, Says); 28] = [
    ("A provider fails when (no policy)", failures),
    ("A provider is evicted by", trigger),
    ("Health policies that are heeded", policies),
    ("An eviction lasts", duration),
    ("Without a duration it lasts", default_duration),
    ("A further eviction lasts", growth),
    ("An eviction takes effect", handover),
    ("Several evicted providers return", release),
    ("A provider returns", comeback),
    ("When manifests are applied in mid-run", reload),
    ("While everyone is evicted", all_out),
    ("Attempts that are accounted", accounting),
    ("Where no access log is written", unlogged),
    ("Retries", retries),
    ("A retry's `condition` and `precondition`", conditions),
    ("Of several failures the client is told", told),
    ("The timeout that is retried", retried_timeout),
    ("Client errors and clients that leave", client_errors),
    ("A stream that breaks off", cut_stream),
    ("The client's `Authorization`, where a provider has no credential", credentials),
    ("Of the wrong type in a request may not be", typed),
    ("`max_tokens` is called at a provider", token_limit),
    ("A successful answer may lack", absent),
    ("A request with the method `CONNECT`", connect),
    ("The gateway's own errors", errors),
    ("The 429 of a limit of requests has", refusals),
    ("A successful answer that is compressed", compressed),
    ("A body that breaks off is reported as", |row| row.broken_body),
];

/// The document.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Personalities\n\n\
         Whose decisions the embedded gateway takes. A scenario names one under `lab.gateway.personality`;\n\
         `agentgateway-0.12` decides as 0.11 too, `agentgateway-1.2` as 1.0 to 1.2, `agentgateway-1.4` as 1.3 and\n\
         1.4. `reference` is the gateway that one would want, the yardstick for the others.\n\n\
         This table is written from the one in the code, `src/gateway/personality.rs`.\n\n",
    );
    let rows: Vec<&Behaviour> = Personality::ALL.iter().map(|one| Behaviour::of(*one)).collect();
    line(&mut text, "", Personality::ALL.iter().map(|one| format!("`{one}`")));
    line(&mut text, "---", Personality::ALL.iter().map(|_| "---".to_owned()));
    for (what, says) in ROWS {
        line(&mut text, what, rows.iter().map(|row| says(row).to_owned()));
    }
    text.push_str(ALIKE);
    text
}

/// What all of them do alike.
const ALIKE: &str = "\n## What all of them do alike\n\n\
- The first group with an active provider serves. In it two are drawn at random, with replacement, and the one\n  \
with the higher score takes the request; a tie goes to the second draw.\n\
- A score is health / (1 + latency in seconds × (1 + 0.1 × requests under way)). Health is a moving average\n  \
(weight 0.3) of successes, from 1; latency one of the successes' whole duration, from the client's request on.\n\
- A response is accounted when its body has ended. Requests under way are not affected by an eviction.\n\
- A failure that ends while its provider is evicted does not prolong the eviction, a success does not shorten it.\n\
- A health policy's eviction is triggered by each failure where no threshold is set; else by\n  \
`consecutiveFailures` in a row, this one included, or by a health below `healthThreshold` before this one.\n\
- In Kubernetes the schema fills in `duration: 3s` where an `eviction` block has none, so that no wait counts beside a block.\n\
- `retry.attempts` counts attempts besides the first. Requests of more than\n  \
64 KiB are not tried again by the versions of agentgateway.\n\
- Requests under way finish with the configuration that they began with, also where manifests are applied meanwhile.\n\
- Limits of the gateway's own answer with 429 before a provider is chosen, and so evict nobody. That of a\n  \
limit of tokens has what the rule's `responseHeaderModifier` says.\n\
- Of compressed answers gzip and deflate are read, and so offered to providers in the client's `Accept-Encoding`; agentgateway\n  \
reads `br` and `zstd` too.\n\
\n## What is not modelled\n\n\
- 0.11 and 0.12 know backends of their own configuration by the names of listener and route, without the port. Two `binds`\n  \
whose listeners and routes have no names, or the same ones, then have one backend between them. Which of\n  \
the two was not measured, and it is a mix-up of names rather than a decision: labsim keeps them apart, and\n  \
`labsim check` tells of them (`backend-shared`).\n\
- That they account nothing without an access log (`config: { logging: { level: warn } }`) is modelled, and told of\n  \
(`nothing-accounted`); whether labsim itself writes one (`--access-log`) has no bearing on it.\n\
- Expressions know `request` with its `method`, `path`, `uri`, `host` and `headers`, `response` with its `code` and `headers`, and\n  \
agentgateway's own functions `default` and `json`. Bodies have no value. What depends on anything else does not hold, and is told of.\n\
- A request is asked about as its rule's filters have left it, though without the credential that its provider is sent.\n\
- agentgateway checks limits of tokens, unlike those of requests, after it has chosen a provider. So there its own 429 is accounted\n  \
to that provider, and may evict it: in 0.11 and 0.12 with the `Retry-After` of a rule, later under a policy that takes 429\n  \
for a failure. In labsim no limit of the gateway's own is blamed on anybody.\n\
- A provider with a host and no path is asked at `/v1/chat/completions`. agentgateway's code leaves the client's path as it is there, which a\n  \
server that answers at that path alone tells with 404: give such a provider its `path` (`pathOverride`).\n\
- From 1.4 on names of headers reach the client in the case in which the provider writes them. labsim writes all in lower case.\n";

fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "| {first} | {} |", cells.join(" | "));
}

fn failures(row: &Behaviour) -> &'static str {
    match row.failures {
        Failures::ClientAndServerErrors => "the status is 4xx or 5xx, or there is none",
        Failures::ServerErrors => "the status is 5xx, or there is none",
        Failures::ServerErrorsAndRateLimits => "the status is 5xx or 429, or there is none",
    }
}

fn trigger(row: &Behaviour) -> &'static str {
    match row.trigger {
        Trigger::RateLimitWait => "a 429 with a wait in its final headers",
        Trigger::HealthPolicy => "a failure under a health policy; without one by nothing",
        Trigger::Failure => "a failure, as a health policy says if there is one",
    }
}

fn policies(row: &Behaviour) -> &'static str {
    match row.policies {
        Policies::None => "none",
        Policies::Backends => "a backend's; a provider's is ignored",
        Policies::BackendsAndProviders => "a provider's, or else its backend's",
    }
}

fn duration(row: &Behaviour) -> &'static str {
    match (row.trigger, row.growth) {
        (Trigger::RateLimitWait, _) => "as long as the wait",
        (_, Growth::UpToAMinute) => "the longest of the policy's `duration` and the waits of a 429 or 503",
        _ => "the policy's `duration`, else the wait of a 429, else the `retry.backoff`",
    }
}

fn default_duration(row: &Behaviour) -> &'static str {
    match row.default_duration {
        DefaultDuration::None => "(there is none)",
        DefaultDuration::Always => "3 s",
        DefaultDuration::WithEvictionBlock => "3 s with an `eviction` block, else there is none",
    }
}

fn growth(row: &Behaviour) -> &'static str {
    match row.growth {
        Growth::None => "no longer",
        Growth::EveryFailure => "× (n + 1) after n failures that met the trigger, also while evicted",
        Growth::OncePerWindow => "× (n + 1) after n evictions",
        Growth::UpToAMinute => "× (n + 1) after n evictions, up to 60 s; a wait stays as it is",
    }
}

fn handover(row: &Behaviour) -> &'static str {
    match row.handover {
        Handover::AtOnce => "at once",
        Handover::AMomentLater => "a moment later: a retry without `backoff` still finds the provider",
    }
}

fn release(row: &Behaviour) -> &'static str {
    match row.release {
        Release::TogetherAtTheLatest => "together at the latest of their deadlines",
        Release::EachAtItsOwn => "each at its own deadline",
    }
}

fn comeback(row: &Behaviour) -> &'static str {
    match row.comeback {
        Comeback::Fully => "for everyone, with `restoreHealth` if set",
        Comeback::AfterOneProbe => "for one request, and for everyone once that has succeeded",
    }
}

fn reload(row: &Behaviour) -> &'static str {
    match row.reload {
        Reload::ChangedBackendsAnew => {
            "all providers of a backend begin anew where one of them, or a policy in the backend itself, has changed"
        }
        Reload::ProvidersKept => "a provider whose address, model and path stay keeps its health and its eviction",
    }
}

fn all_out(row: &Behaviour) -> &'static str {
    match row.all_out {
        AllOut::FirstGroup => "the evicted providers of the first group serve",
        AllOut::Refuse => "503 with `Retry-After`",
    }
}

fn accounting(row: &Behaviour) -> &'static str {
    match row.accounting {
        Accounting::LastAttempt => "the last",
        Accounting::EveryAttempt => {
            "all, earlier ones by the provider's own headers; one without a response is a success if the policy has an expression"
        }
        Accounting::EveryAttemptAlike => "all, alike",
    }
}

fn unlogged(row: &Behaviour) -> &'static str {
    match row.unlogged {
        Unlogged::NotAccounted => {
            "nothing is accounted, unless there are traces or fields of metrics; nobody is evicted"
        }
        Unlogged::Accounted => "as always",
    }
}

fn retries(row: &Behaviour) -> &'static str {
    match row.retries {
        Retries::WithoutBackoff => "as configured; `backoff` is ignored",
        Retries::AsConfigured => "as configured",
        Retries::Failover => "to whoever is active, 2 or as configured, for at most a fifth of the requests",
    }
}

fn conditions(row: &Behaviour) -> &'static str {
    match row.conditions {
        Conditions::Ignored => "are ignored",
        Conditions::Heeded => "have further answers tried again, and keep requests from it",
    }
}

fn told(row: &Behaviour) -> &'static str {
    match row.told {
        Told::Last => "the last one",
        Told::FirstBeforeRefusal => {
            "the last one; the first, where the last is a refusal (4xx) that only the retry met"
        }
    }
}

fn retried_timeout(row: &Behaviour) -> &'static str {
    match row.retried_timeout {
        RetriedTimeout::Request => "the request's, though it is never sent",
        RetriedTimeout::Attempt => "one attempt's (`backendRequest`)",
    }
}

fn client_errors(row: &Behaviour) -> &'static str {
    match row.client_errors {
        ClientErrors::BlameTheProvider => "are blamed on the provider that was chosen",
        ClientErrors::BlameNobody => "are blamed on nobody",
    }
}

fn cut_stream(row: &Behaviour) -> &'static str {
    match row.cut_stream {
        CutStream::ByItsStatus => "counts by its status: a success",
        CutStream::Failure => "is a failure",
    }
}

fn errors(row: &Behaviour) -> &'static str {
    match row.errors {
        Errors::PlainText => "text, mostly 503",
        Errors::OpenAi => "OpenAI's error object: 400, 413, 502, 503, 504",
    }
}

fn connect(row: &Behaviour) -> &'static str {
    match row.connect {
        Connect::Routed => "is routed like any other",
        Connect::Refused => "405, before a route is looked for",
    }
}

fn credentials(row: &Behaviour) -> &'static str {
    match row.credentials {
        Credentials::PassedOn => "is sent to it",
        Credentials::Removed => "is not sent to it, but with `passthrough`",
    }
}

fn typed(row: &Behaviour) -> &'static str {
    match row.schema {
        Schema::Of011 => {
            "`temperature`, `top_p`, penalties, `seed`, limits of tokens, `stream`, and a message's `role`, `name`, `content`"
        }
        Schema::Of12 => "the same, and `tools`, `user`, and a message's `tool_calls`, `tool_call_id`",
    }
}

fn token_limit(row: &Behaviour) -> &'static str {
    match row.schema {
        Schema::Of011 => "`max_tokens`",
        Schema::Of12 => "`max_completion_tokens` where its model begins with `gpt-`",
    }
}

fn absent(row: &Behaviour) -> &'static str {
    match row.schema {
        Schema::Of011 => "`usage`",
        Schema::Of12 => "`usage` and its counts, `choices`, a choice's `message`",
    }
}

fn refusals(row: &Behaviour) -> &'static str {
    match row.refusals {
        Refusals::AsTheRuleSays => "the headers of the rule's `responseHeaderModifier` too",
        Refusals::Bare => "its own headers",
    }
}

fn compressed(row: &Behaviour) -> &'static str {
    match row.compressed {
        Compressed::Whole => "is read and compressed again; a stream passes as it is, and unread",
        Compressed::WholeAndStreams => "is read and compressed again; a stream goes on in the clear",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LABSIM_BLESS=1` writes the document anew.
    #[test]
    fn the_document_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/personalities.md");
        if std::env::var_os("LABSIM_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/personalities.md is stale: run this test with LABSIM_BLESS=1");
    }
}
