//! A whole answer whose JSON is not whole.

use bytes::Bytes;

use super::{AnswerFault, Asked, Effect};
use crate::fault::Acts;
use crate::fault::define::fault;
use crate::fault::flow::Item;

fault! {
    /// The JSON of an answer breaks off, though the answer says that it is whole.
    ///
    /// Status and length are those of a whole answer, so that only parsing shows it. It acts on
    /// answers that are not streams.
    pub struct TruncatedJson = "truncated-json" {
        /// The part of the body that comes, from 0 to 1.
        pub keep: f64 = 0.5,
    }
}

impl AnswerFault for TruncatedJson {
    const ACTS: Acts = Acts::OnBody;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        let keep = self.keep.clamp(0.0, 1.0);
        Effect::Body(Box::new(move |body: Bytes| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of a length"
            )]
            let length = (body.len() as f64 * keep) as usize;
            vec![Item::Bytes(body.slice(..length.min(body.len()))), Item::End]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::effect;
    use super::*;

    #[test]
    fn half_of_the_body_comes() {
        let Effect::Body(change) = effect(&TruncatedJson::default(), false) else { panic!("it acts on bodies") };
        assert_eq!(change(Bytes::from_static(b"{\"a\": 12}")), [Item::Bytes(Bytes::from_static(b"{\"a\"")), Item::End]);
    }
}
