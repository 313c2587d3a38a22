//! An answer that says that it is something else.

use super::{AnswerFault, Asked, Effect, header};
use crate::fault::Acts;
use crate::fault::define::fault;

fault! {
    /// An answer has another `content-type` than its content.
    pub struct WrongContentType = "wrong-content-type" {
        /// The header's value; no header where it is empty.
        pub value: String = "text/html; charset=utf-8".to_owned(),
    }
}

impl AnswerFault for WrongContentType {
    const ACTS: Acts = Acts::OnAnswer;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Headers(header("content-type", &self.value).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::effect;
    use super::*;

    #[test]
    fn the_header_is_the_one_that_is_written() {
        let fault = WrongContentType { value: "text/plain".to_owned() };
        assert!(
            matches!(effect(&fault, true), Effect::Headers(headers) if headers == [header("content-type", "text/plain").unwrap()])
        );
    }
}
