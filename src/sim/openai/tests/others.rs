//! Completions, embeddings and moderations.

use base64::Engine as _;
use serde_json::{Value as Json, json};

use super::client::{Answer, Lab, with};

fn complete(prompt: impl Into<Json>) -> Json {
    json!({"model": "gpt-3.5-turbo-instruct", "prompt": prompt.into()})
}

fn embed(input: impl Into<Json>) -> Json {
    json!({"model": "text-embedding-3-small", "input": input.into()})
}

fn numbers(embedding: &Json) -> Vec<f64> {
    embedding.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_text_is_completed() {
    let lab = Lab::fast().await;
    let json = lab.post("/v1/completions", complete("Once upon a time")).await.json();
    assert_eq!(Answer::keys(&json), ["id", "object", "created", "model", "choices", "usage"]);
    assert!(json["id"].as_str().unwrap().strip_prefix("cmpl-").is_some_and(|id| id.len() == 29));
    assert_eq!(json["object"], "text_completion");
    assert_eq!(json["model"], "gpt-3.5-turbo-instruct:20230824-v2");
    let choice = &json["choices"][0];
    assert_eq!(Answer::keys(choice), ["text", "index", "logprobs", "finish_reason"]);
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(json["usage"], json!({"prompt_tokens": 4, "completion_tokens": 16, "total_tokens": 20}));

    let long = with(complete("What is 2+2?"), "max_tokens", 50);
    assert_eq!(lab.post("/v1/completions", long.clone()).await.json()["choices"][0]["text"], "\n\nFour.");
    let echoed = lab.post("/v1/completions", with(with(long, "echo", true), "logprobs", 2)).await.json();
    assert_eq!(echoed["choices"][0]["text"], "What is 2+2?\n\nFour.");
    assert_eq!(echoed["usage"]["completion_tokens"], 3);
    let logprobs = &echoed["choices"][0]["logprobs"];
    assert_eq!(Answer::keys(logprobs), ["tokens", "token_logprobs", "top_logprobs", "text_offset"]);
    assert_eq!(logprobs["text_offset"], json!([0, 4, 7, 8, 9, 10, 11, 12, 14, 18]));
}

#[tokio::test(start_paused = true)]
async fn several_prompts_get_several_texts() {
    let lab = Lab::fast().await;
    let body = with(with(complete(json!(["a", "b"])), "n", 2), "best_of", 2);
    let json = lab.post("/v1/completions", body).await.json();
    let indices: Vec<u64> =
        json["choices"].as_array().unwrap().iter().map(|choice| choice["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    let streamed = with(complete("What is 2+2?"), "stream", true);
    let chunks = lab.post("/v1/completions", streamed).await.chunks();
    assert_eq!(Answer::keys(&chunks[0]), ["id", "object", "created", "choices", "model"]);
    let text: String = chunks.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, "\n\nFour.");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test(start_paused = true)]
async fn embeddings_have_length_one_and_know_similar_texts() {
    let lab = Lab::fast().await;
    let input = json!(["the cat sat on the mat", "the cat lay on the mat", "quarterly revenue grew"]);
    let json = lab.post("/v1/embeddings", embed(input)).await.json();
    assert_eq!(Answer::keys(&json), ["object", "data", "model", "usage"]);
    assert_eq!(json["model"], "text-embedding-3-small");
    assert_eq!(json["usage"], json!({"prompt_tokens": 15, "total_tokens": 15}));
    let data = json["data"].as_array().unwrap();
    assert_eq!(Answer::keys(&data[1]), ["object", "index", "embedding"]);
    assert_eq!(data[1]["index"], 1);
    let vectors: Vec<Vec<f64>> = data.iter().map(|one| numbers(&one["embedding"])).collect();
    let dot = |one: &[f64], two: &[f64]| one.iter().zip(two).map(|(a, b)| a * b).sum::<f64>();
    for vector in &vectors {
        assert_eq!(vector.len(), 1536);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-5);
    }
    let near = dot(&vectors[0], &vectors[1]);
    let far = dot(&vectors[0], &vectors[2]);
    assert!(near > 0.5 && far < 0.2, "{near} {far}");
}

/// The Node client asks for base 64 and reads nothing else.
#[tokio::test(start_paused = true)]
async fn embeddings_come_in_base64_too() {
    let lab = Lab::fast().await;
    let body = with(embed("hello"), "dimensions", 8);
    let floats = lab.post("/v1/embeddings", body.clone()).await.json();
    let encoded = lab.post("/v1/embeddings", with(body, "encoding_format", "base64")).await.json();
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(encoded["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    #[expect(clippy::cast_possible_truncation, reason = "they were single numbers")]
    let plain: Vec<f32> = numbers(&floats["data"][0]["embedding"]).into_iter().map(|x| x as f32).collect();
    assert_eq!(decoded, plain);
    assert_eq!(decoded.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn embeddings_refuse_what_they_cannot_do() {
    let lab = Lab::fast().await;
    let message = async |body: Json| lab.post("/v1/embeddings", body).await.error().1;
    for input in [json!(""), json!([]), json!([""]), json!({}), json!([[]]), json!([1, "a"])] {
        assert!(message(embed(input)).await.starts_with("'$.input' is invalid."));
    }
    let ada = json!({"model": "text-embedding-ada-002", "input": "x", "dimensions": 3});
    assert_eq!(message(ada).await, "This model does not support specifying dimensions.");
    assert_eq!(
        message(with(embed("x"), "dimensions", 4_000)).await,
        "Invalid 'dimensions': integer above maximum value. Expected a value <= 1536, but got 4000 instead."
    );
    assert_eq!(
        message(json!({"model": "gpt-4o", "input": "x"})).await,
        "You are not allowed to generate embeddings from this model: gpt-4o"
    );
}

#[tokio::test(start_paused = true)]
async fn texts_are_moderated() {
    let lab = Lab::fast().await;
    let json = lab.post("/v1/moderations", json!({"input": ["I will kill you", "I like rivers"]})).await.json();
    assert_eq!(Answer::keys(&json), ["id", "model", "results"]);
    assert_eq!(json["model"], "omni-moderation-2024-09-26");
    let results = json["results"].as_array().unwrap();
    assert_eq!(Answer::keys(&results[0]), ["flagged", "categories", "category_scores", "category_applied_input_types"]);
    assert_eq!((&results[0]["flagged"], &results[1]["flagged"]), (&json!(true), &json!(false)));
    assert_eq!(results[0]["categories"]["violence"], true);
    assert!(results[0]["category_scores"]["violence"].as_f64() > Some(0.8));
    assert!(results[1]["category_scores"]["violence"].as_f64() < Some(0.01));
    let old = lab.post("/v1/moderations", json!({"input": "x", "model": "text-moderation-latest"})).await.json();
    assert_eq!(Answer::keys(&old["results"][0]), ["flagged", "categories", "category_scores"]);
    assert_eq!(old["results"][0]["categories"].as_object().unwrap().len(), 11);
}
