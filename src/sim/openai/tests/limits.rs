//! Rate limits, exact to the millisecond.

use std::time::Duration;

use serde_json::json;

use super::client::{Answer, KEY, Lab, accepting, ask, request, with, with_key};
use crate::sim::openai::{Config, Key, LatencyModel, Limit, RateLimits};

fn limited(requests_per_minute: u64, tokens_per_minute: u64) -> Config {
    let default = Limit { requests_per_minute, tokens_per_minute };
    let rate_limits = Some(RateLimits { default, ..RateLimits::default() });
    Config { rate_limits, latency: LatencyModel::none(), ..accepting() }
}

fn left(answer: &Answer) -> [String; 6] {
    ["limit-requests", "limit-tokens", "remaining-requests", "remaining-tokens", "reset-requests", "reset-tokens"]
        .map(|name| answer.header(&format!("x-ratelimit-{name}")).to_owned())
}

#[tokio::test(start_paused = true)]
async fn without_limits_there_are_no_headers() {
    let lab = Lab::fast().await;
    for _ in 0..100 {
        assert_eq!(left(&lab.chat(ask("x")).await), [""; 6].map(str::to_owned));
    }
}

/// A round trip on a connection of its own takes 4 ms: two for the handshake and one each way.
#[tokio::test(start_paused = true)]
async fn requests_run_out_and_come_back() {
    let lab = Lab::new(7, limited(3, 30_000)).await;
    let first = lab.chat(ask("x")).await;
    assert_eq!(left(&first), ["3", "30000", "2", "29984", "20s", "32ms"].map(str::to_owned));
    // Four milliseconds later, 3/15000 of a request has come back.
    assert_eq!(left(&lab.chat(ask("x")).await)[4], "39.996s");
    assert_eq!(left(&lab.chat(ask("x")).await)[2..5], ["0", "29956", "59.992s"].map(str::to_owned));
    let refused = lab.chat(ask("x")).await;
    let (status, message, kind, param, code) = refused.error();
    assert_eq!((status, kind.as_str(), param, code.as_deref()), (429, "requests", None, Some("rate_limit_exceeded")));
    assert_eq!(
        message,
        "Rate limit reached for gpt-4o in organization org-labsim on requests per min (RPM): Limit 3, Used 3, Requested \
         1. Please try again in 19.988s. Visit https://platform.openai.com/account/rate-limits to learn more."
    );
    assert_eq!(refused.header("retry-after-ms"), "19988");
    assert_eq!(refused.header("retry-after"), "20");
    assert_eq!(left(&refused)[2], "0");
    // It was refused one millisecond ago; a request takes three to get there.
    tokio::time::sleep(Duration::from_millis(19_988 - 1 - 3 - 1)).await;
    let early = lab.chat(ask("x")).await;
    assert_eq!((early.status, early.header("retry-after-ms")), (429, "1"));
    // That took four, so now it is time.
    assert_eq!(lab.chat(ask("x")).await.status, 200);
    assert_eq!(lab.chat(ask("x")).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn tokens_run_out_and_come_back() {
    let lab = Lab::new(7, limited(1_000, 600)).await;
    let body = with(ask("x"), "max_tokens", 400);
    assert_eq!(left(&lab.chat(body.clone()).await)[3], "200");
    let refused = lab.chat(body.clone()).await;
    let (status, message, kind, _, code) = refused.error();
    assert_eq!((status, kind.as_str(), code.as_deref()), (429, "tokens", Some("rate_limit_exceeded")));
    // 0.04 of a token came back meanwhile: 199.96 are missing, at ten a second.
    assert!(
        message.contains("on tokens per min (TPM): Limit 600, Used 400, Requested 400. Please try again in 19.996s."),
        "{message}"
    );
    // What was refused takes nothing.
    assert_eq!(left(&refused)[3], "200");
    tokio::time::sleep(Duration::from_millis(19_996)).await;
    assert_eq!(lab.chat(body).await.status, 200);
    let (status, message, ..) = lab.chat(with(ask("x"), "max_tokens", 601)).await.error();
    assert_eq!(status, 429);
    assert!(message.starts_with(
        "Request too large for gpt-4o in organization org-labsim on tokens per min (TPM): Limit 600, Requested 601."
    ));
}

#[tokio::test(start_paused = true)]
async fn buckets_are_of_an_organisation_and_a_model() {
    let keys = vec![Key::new(KEY).of(["org-one".to_owned(), "org-two".to_owned()])];
    let mut config = Config { keys, ..limited(1, 30_000) };
    let mini = Limit { requests_per_minute: 2, tokens_per_minute: 30_000 };
    config.rate_limits.as_mut().unwrap().models.insert("gpt-4o-mini".to_owned(), mini);
    let lab = Lab::new(7, config).await;
    let status = async |model: &str, organization: &str| {
        let post =
            with_key(request(http::Method::POST, "/v1/chat/completions")).header("openai-organization", organization);
        lab.send(post, with(ask("x"), "model", model).to_string()).await.status
    };
    assert_eq!(status("gpt-4o", "org-one").await, 200);
    // A dated name shares the bucket of its family.
    assert_eq!(status("gpt-4o-2024-08-06", "org-one").await, 429);
    assert_eq!(status("gpt-4o", "org-two").await, 200);
    assert_eq!(status("gpt-4o-mini", "org-one").await, 200);
    assert_eq!(status("gpt-4o-mini", "org-one").await, 200);
    assert_eq!(status("gpt-4o-mini", "org-one").await, 429);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_wrong_takes_nothing() {
    let lab = Lab::new(7, limited(1, 30_000)).await;
    assert_eq!(lab.chat(json!({"model": "gpt-4o"})).await.status, 400);
    assert_eq!(lab.chat(ask("x")).await.status, 200);
}
