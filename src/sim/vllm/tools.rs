//! Tool calls: how many, of which tools, with which made-up arguments.

pub(crate) mod schema;

use serde_json::{Map, Number, Value as Json};

use super::answer::{Call, Tokens};
use super::ask::{Ask, ToolChoice};
use super::config::ToolRanges;
use crate::world::Random;

/// How deep arguments may nest.
const MAX_DEPTH: usize = 32;
/// How many values the arguments of a call may have.
const MAX_VALUES: usize = 100_000;

/// What a made-up string argument is.
const WORDS: [&str; 10] =
    ["harbour", "lantern", "meadow", "orchard", "pebble", "quarry", "ribbon", "saddle", "thimble", "willow"];

/// The calls of an answer; none where it is text. The error is the cause that the original reports.
pub(crate) fn calls(ranges: &ToolRanges, ask: &Ask, chance: &mut Random) -> Result<Option<Vec<Call>>, String> {
    // The original fails on an empty list of tools; here it is no list.
    if ask.tools.is_empty() {
        return Ok(None);
    }
    let chosen = match &ask.tool_choice {
        ToolChoice::None => return Ok(None),
        ToolChoice::Named(name) => {
            let tool = ask.tools.iter().find(|tool| tool.name == *name).ok_or_else(|| {
                format!("tool with name '{name}' requested in tool_choice but not found in the tools list")
            })?;
            vec![tool]
        }
        ToolChoice::Auto | ToolChoice::Required => {
            let least = usize::from(ask.single_call || ask.tool_choice == ToolChoice::Required);
            let most = if ask.single_call { 1 } else { ask.tools.len() };
            let count = how_many(ranges, least, most, chance);
            (0..count).filter_map(|_| ask.tools.get(chance.index(ask.tools.len()))).collect()
        }
    };
    if chosen.is_empty() {
        return Ok(None);
    }
    let made = chosen.into_iter().map(|tool| {
        let arguments = match tool.definition.get("parameters") {
            Some(parameters) => {
                let mut maker = Maker { ranges, chance: &mut *chance, left: MAX_VALUES };
                maker.object(parameters, ranges.optional_parameter, 0)?
            }
            None => Json::Object(Map::new()),
        };
        let arguments = Tokens::of(&arguments.to_string());
        Ok(Call { name: tool.name.clone(), digits: digits(chance), arguments })
    });
    made.collect::<Result<_, String>>().map(Some)
}

/// From `least` on, one more with the probability of an extra call, up to `most`.
fn how_many(ranges: &ToolRanges, least: usize, most: usize, chance: &mut Random) -> usize {
    let mut count = least;
    while count < most && per_cent(ranges.extra_call, chance) {
        count += 1;
    }
    count
}

fn per_cent(probability: i64, chance: &mut Random) -> bool {
    i64::try_from(chance.below(100)).unwrap_or(0) < probability
}

/// Ten digits for an id.
pub(crate) fn digits(chance: &mut Random) -> String {
    format!("{:010}", chance.below(10_000_000_000))
}

/// Makes arguments up, up to a number of values.
struct Maker<'m> {
    ranges: &'m ToolRanges,
    chance: &'m mut Random,
    left: usize,
}

impl Maker<'_> {
    /// An object: what is required, and some of the rest. Its keys are sorted.
    fn object(&mut self, schema: &Json, optional: i64, depth: usize) -> Result<Json, String> {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let mut sorted: Vec<(&String, &Json)> = properties.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        let mut made = Map::new();
        for (name, schema) in sorted {
            if required.contains(&name.as_str()) || per_cent(optional, self.chance) {
                made.insert(name.clone(), self.value(schema, depth + 1)?);
            }
        }
        Ok(Json::Object(made))
    }

    fn value(&mut self, schema: &Json, depth: usize) -> Result<Json, String> {
        self.left = self.left.checked_sub(1).ok_or("the arguments are too large")?;
        if depth > MAX_DEPTH {
            return Err("the parameters nest too deep".to_owned());
        }
        let (ranges, chance) = (self.ranges, &mut *self.chance);
        if let Some(members) = schema.get("enum").and_then(Json::as_array).filter(|members| !members.is_empty()) {
            return Ok(members.get(chance.index(members.len())).cloned().unwrap_or(Json::Null));
        }
        match schema.get("type").and_then(Json::as_str).unwrap_or_default() {
            "string" => Ok(WORDS.get(chance.index(WORDS.len())).copied().unwrap_or_default().into()),
            "integer" => {
                let width = ranges.max_integer.abs_diff(ranges.min_integer).saturating_add(1);
                Ok(ranges.min_integer.wrapping_add_unsigned(chance.below(width)).into())
            }
            "number" => {
                let drawn = ranges.min_number + (ranges.max_number - ranges.min_number) * chance.unit();
                Ok(Number::from_f64(drawn).map_or(Json::Null, Json::Number))
            }
            "boolean" => Ok(chance.chance(0.5).into()),
            "array" => self.array(schema, depth),
            "object" => self.object(schema, ranges.optional_field, depth),
            _ => Ok(Json::Null),
        }
    }

    fn array(&mut self, schema: &Json, depth: usize) -> Result<Json, String> {
        let bound = |name: &str| schema.get(name).and_then(Json::as_i64);
        let ranges = self.ranges;
        let (least, most) = match (bound("minItems"), bound("maxItems")) {
            (Some(least), Some(most)) if least > most => {
                return Err(format!("minItems ({least}) is greater than maxItems({most})"));
            }
            (Some(least), Some(most)) => (least, most),
            (Some(least), None) => (least, ranges.max_array.max(least)),
            (None, Some(most)) => (ranges.min_array.min(most), most),
            (None, None) => (ranges.min_array, ranges.max_array),
        };
        let span = u64::try_from(most.saturating_sub(least)).unwrap_or(0).saturating_add(1);
        let length = u64::try_from(least).unwrap_or(0).saturating_add(self.chance.below(span));
        let items = schema.get("items").unwrap_or(&Json::Null);
        (0..length).map(|_| self.value(items, depth + 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Tool;
    use super::*;
    use crate::world::Seed;
    use serde_json::json;

    fn tool(parameters: &Json) -> Tool {
        let definition = json!({"name": "look", "description": "Looks", "parameters": parameters});
        Tool { name: "look".to_owned(), definition }
    }

    fn arguments(ranges: &ToolRanges, parameters: &Json, seed: u64) -> Json {
        let ask = Ask { tools: vec![tool(parameters)], tool_choice: ToolChoice::Required, ..Ask::new("request") };
        let calls = calls(ranges, &ask, &mut Seed(seed).stream("tools")).unwrap().unwrap();
        serde_json::from_str(&calls[0].arguments.text).unwrap()
    }

    #[test]
    fn arguments_keep_to_their_schema() {
        let parameters = json!({"type": "object", "required": ["city", "unit", "days", "grid"], "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "days": {"type": "integer"},
            "grid": {"type": "array", "minItems": 2, "maxItems": 3,
                     "items": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}},
            "note": {"type": "string"},
        }});
        let ranges = ToolRanges { min_integer: 3, max_integer: 5, optional_parameter: 0, ..ToolRanges::default() };
        for seed in 0..50 {
            let made = arguments(&ranges, &parameters, seed);
            assert!(WORDS.contains(&made["city"].as_str().unwrap()));
            assert!(["C", "F"].contains(&made["unit"].as_str().unwrap()));
            assert!((3..=5).contains(&made["days"].as_i64().unwrap()));
            assert!((2..=3).contains(&made["grid"].as_array().unwrap().len()));
            assert!((1..=5).contains(&made["grid"][0].as_array().unwrap().len()));
            assert!((0.0..=100.0).contains(&made["grid"][0][0][0].as_f64().unwrap()));
            assert!(made.get("note").is_none());
        }
        let always = ToolRanges { optional_parameter: 100, ..ToolRanges::default() };
        assert!(arguments(&always, &parameters, 1).get("note").is_some());
    }

    #[test]
    fn what_cannot_be_made_is_an_error() {
        let parameters = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "array", "minItems": 7, "maxItems": 3, "items": {"type": "string"}}}});
        let mut ask = Ask { tools: vec![tool(&parameters)], tool_choice: ToolChoice::Required, ..Ask::new("request") };
        let mut chance = Seed(1).stream("tools");
        let ranges = ToolRanges::default();
        assert_eq!(calls(&ranges, &ask, &mut chance), Err("minItems (7) is greater than maxItems(3)".to_owned()));
        ask.tool_choice = ToolChoice::Named("zzz".to_owned());
        let missing = "tool with name 'zzz' requested in tool_choice but not found in the tools list";
        assert_eq!(calls(&ranges, &ask, &mut chance), Err(missing.to_owned()));
        ask.tools.clear();
        ask.tool_choice = ToolChoice::Required;
        assert_eq!(calls(&ranges, &ask, &mut chance), Ok(None));
    }
}
