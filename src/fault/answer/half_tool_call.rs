//! A tool call that breaks off in its arguments.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{AnswerFault, Asked, Effect, How};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

fault! {
    /// A stream breaks off in the middle of a tool call's arguments.
    ///
    /// Where the answer has no tool call, one takes the place of its text. Users met it as
    /// [half arguments that stay in the history and make every later request fail][1] and as
    /// [a fallback that fails for the same reason][2].
    ///
    /// [1]: https://github.com/Consensys/ask-o11y-plugin/pull/161
    /// [2]: https://github.com/cymoo/lovia/pull/82
    pub struct HalfToolCall = "half-tool-call" {
        /// The function that is called, where the answer has no call of its own.
        pub name: String = "run_code".to_owned(),
        /// What there is of its arguments.
        pub arguments: String = "{\"code\": \"pri".to_owned(),
        /// How the connection ends.
        pub how: How = How::Close,
    }
}

impl AnswerFault for HalfToolCall {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Half { fault: self.clone(), over: false }))
    }
}

struct Half {
    fault: HalfToolCall,
    over: bool,
}

impl Flow for Half {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if self.over {
            return;
        }
        let token = match &item {
            Item::Bytes(bytes) if frame::is_token(bytes) => frame::json(bytes),
            _ => None,
        };
        let Some(mut chunk) = token else { return out.send(at, item) };
        // The answer's own call: its head passes, and of its arguments the first part.
        if let Some(function) = chunk.pointer("/choices/0/delta/tool_calls/0/function") {
            let begun = function.get("arguments").and_then(Json::as_str).is_some_and(|text| !text.is_empty());
            out.send(at, item);
            if begun {
                self.cut(at, out);
            }
            return;
        }
        for delta in self.call() {
            if let Some(choice) = chunk.pointer_mut("/choices/0").and_then(Json::as_object_mut) {
                choice.insert("delta".to_owned(), delta);
            }
            out.send(at, frame::event(&chunk));
        }
        self.cut(at, out);
    }
}

impl Half {
    fn cut(&mut self, at: Duration, out: &mut Out<'_>) {
        self.over = true;
        out.send(at, Item::from(self.fault.how));
    }

    fn call(&self) -> [Json; 2] {
        let HalfToolCall { name, arguments, .. } = &self.fault;
        let head =
            json!({"index": 0, "id": "call_half", "type": "function", "function": {"name": name, "arguments": ""}});
        let part = json!({"index": 0, "function": {"arguments": arguments}});
        [json!({"tool_calls": [head]}), json!({"tool_calls": [part]})]
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::{bytes, through};
    use crate::fault::frame::tests::stream;

    fn calls(out: &[(u64, Item)]) -> Vec<String> {
        out.iter()
            .filter_map(|(_, item)| if let Item::Bytes(bytes) = item { frame::json(bytes) } else { None })
            .filter_map(|json| json.pointer("/choices/0/delta/tool_calls/0/function").map(Json::to_string))
            .collect()
    }

    #[test]
    fn a_call_takes_the_place_of_the_text_and_breaks_off() {
        let out = through(events(&HalfToolCall::default()), &stream(&["a", "b"], 10), 100);
        assert_eq!(calls(&out), [r#"{"name":"run_code","arguments":""}"#, r#"{"arguments":"{\"code\": \"pri"}"#]);
        assert_eq!(out.last(), Some(&(10, Item::Close)));
    }

    #[test]
    fn the_answers_own_call_breaks_off_in_its_arguments() {
        let head =
            r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}"#;
        let part = r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a"}}]}}]}"#;
        let items = [(0, bytes(head)), (1, bytes(part)), (2, bytes(part)), (3, Item::End)];
        let out = through(events(&HalfToolCall::default()), &items, 100);
        assert_eq!(calls(&out).len(), 2);
        assert_eq!(out.last(), Some(&(1, Item::Close)));
    }
}
