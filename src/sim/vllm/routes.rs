//! Which path leads where, and what the original's router says to the rest.

use http::Method;

/// What a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Chat,
    Completions,
    Responses,
    Messages,
    Generate,
    Embeddings,
    Models,
    LoadLora,
    UnloadLora,
    Tokenize,
    /// vLLM's own; the original has none.
    Detokenize,
    /// vLLM's own; the original has none.
    Version,
    RenderChat,
    RenderCompletions,
    Metrics,
    FakeMetrics,
    Health,
    Ready,
    HealthReady,
    IsSleeping,
    Sleep,
    WakeUp,
    Query,
    ReadConfig,
    ChangeConfig,
}

/// What the router makes of a method and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    Route(Route),
    /// The path is there, with other methods: the value of `Allow`.
    WrongMethod(&'static str),
    /// `OPTIONS` on a path that is there: the value of `Allow`.
    Options(&'static str),
    /// The path is there in another spelling.
    Redirect(&'static str),
    Unknown,
}

const GET: &str = "GET, OPTIONS";
const POST: &str = "POST, OPTIONS";
const BOTH: &str = "GET, POST, OPTIONS";

static ROUTES: [(&str, &str, Route); 25] = [
    ("/v1/chat/completions", POST, Route::Chat),
    ("/v1/completions", POST, Route::Completions),
    ("/v1/responses", POST, Route::Responses),
    ("/v1/messages", POST, Route::Messages),
    ("/inference/v1/generate", POST, Route::Generate),
    ("/v1/embeddings", POST, Route::Embeddings),
    ("/v1/models", GET, Route::Models),
    ("/health", GET, Route::Health),
    ("/metrics", GET, Route::Metrics),
    ("/v1/load_lora_adapter", POST, Route::LoadLora),
    ("/v1/unload_lora_adapter", POST, Route::UnloadLora),
    ("/tokenize", POST, Route::Tokenize),
    ("/detokenize", POST, Route::Detokenize),
    ("/version", GET, Route::Version),
    ("/v1/chat/completions/render", POST, Route::RenderChat),
    ("/v1/completions/render", POST, Route::RenderCompletions),
    ("/fake_metrics", POST, Route::FakeMetrics),
    ("/ready", GET, Route::Ready),
    ("/health/ready", GET, Route::HealthReady),
    ("/is_sleeping", GET, Route::IsSleeping),
    ("/sleep", POST, Route::Sleep),
    ("/wake_up", POST, Route::WakeUp),
    ("/query", GET, Route::Query),
    ("/admin/config", BOTH, Route::ReadConfig),
    ("/admin/config", BOTH, Route::ChangeConfig),
];

/// Finds the route.
pub(crate) fn find(method: &Method, path: &str) -> Match {
    let mut candidates = ROUTES.iter().filter(|(known, ..)| *known == path).peekable();
    if let Some((_, allow, _)) = candidates.peek() {
        let of_method = candidates.find(|(.., route)| *method == method_of(*route));
        return match of_method {
            Some((.., route)) => Match::Route(*route),
            None if *method == Method::OPTIONS => Match::Options(allow),
            None => Match::WrongMethod(allow),
        };
    }
    let bare = path.strip_suffix('/').unwrap_or(path);
    let canonical =
        ROUTES.iter().find(|(known, _, route)| known.eq_ignore_ascii_case(bare) && *method == method_of(*route));
    canonical.map_or(Match::Unknown, |(known, ..)| Match::Redirect(known))
}

fn method_of(route: Route) -> Method {
    match route {
        Route::Models
        | Route::Health
        | Route::Metrics
        | Route::Ready
        | Route::HealthReady
        | Route::IsSleeping
        | Route::Query
        | Route::Version
        | Route::ReadConfig => Method::GET,
        _ => Method::POST,
    }
}

impl Route {
    /// Whether it is counted and told as a request to a provider.
    pub(crate) fn is_inference(self) -> bool {
        matches!(
            self,
            Self::Chat | Self::Completions | Self::Responses | Self::Messages | Self::Generate | Self::Embeddings
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_original_leads() {
        for (method, path, found) in [
            (Method::POST, "/v1/chat/completions", Match::Route(Route::Chat)),
            (Method::GET, "/admin/config", Match::Route(Route::ReadConfig)),
            (Method::POST, "/admin/config", Match::Route(Route::ChangeConfig)),
            (Method::DELETE, "/admin/config", Match::WrongMethod(BOTH)),
            (Method::HEAD, "/health", Match::WrongMethod(GET)),
            (Method::OPTIONS, "/v1/completions", Match::Options(POST)),
            (Method::GET, "/health/", Match::Redirect("/health")),
            (Method::POST, "/V1/Chat/Completions", Match::Redirect("/v1/chat/completions")),
            (Method::GET, "/", Match::Unknown),
            (Method::GET, "/version", Match::Route(Route::Version)),
            (Method::POST, "/detokenize", Match::Route(Route::Detokenize)),
            (Method::GET, "/ping", Match::Unknown),
        ] {
            assert_eq!(find(&method, path), found, "{method} {path}");
        }
    }
}
