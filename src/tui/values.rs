//! Reads a packed event's fields by their positions, without making an event of it.

use rmp::Marker;

/// The value of a field.
#[derive(Debug, Clone, Copy)]
enum Value<'b> {
    /// Nothing, or nothing that anybody asks for.
    Nothing,
    Truth(bool),
    Whole(u64),
    Number(f64),
    Text(&'b [u8]),
    /// So many values follow.
    List(u64),
    /// So many pairs follow, with which these bytes begin.
    Map(u64, &'b [u8]),
}

/// The fields of a struct, to be asked for in their order: what stands before one is passed over and is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'b> {
    /// How many fields are left.
    left: u64,
    reader: Reader<'b>,
}

/// Bytes to be read value by value.
#[derive(Debug, Clone, Copy)]
struct Reader<'b>(&'b [u8]);

impl<'b> Values<'b> {
    /// The fields of a struct that was packed. What is not there, or is broken, is nothing.
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        Self::of_map(Reader(bytes).value())
    }

    fn of_map(map: Value<'b>) -> Self {
        let (left, bytes) = if let Value::Map(pairs, bytes) = map { (pairs, bytes) } else { (0, &[][..]) };
        Self { left, reader: Reader(bytes) }
    }

    fn at(&mut self, position: u8) -> Value<'b> {
        // No longer than there is something, whatever is claimed.
        while self.left > 0
            && let Some(place) = self.reader.0.first().copied().filter(|place| *place <= position)
        {
            self.left -= 1;
            self.reader.byte();
            let value = self.reader.value();
            self.reader.pass_over(value);
            if place == position {
                return value;
            }
        }
        Value::Nothing
    }

    /// The text there; empty where there is none.
    pub(super) fn text(&mut self, position: u8) -> &'b str {
        self.some_text(position).unwrap_or_default()
    }

    /// The text there, if there is one.
    pub(super) fn some_text(&mut self, position: u8) -> Option<&'b str> {
        if let Value::Text(text) = self.at(position) { std::str::from_utf8(text).ok() } else { None }
    }

    /// The whole number there; 0 where there is none that fits.
    pub(super) fn whole<T: TryFrom<u64> + Default>(&mut self, position: u8) -> T {
        self.some_whole(position).unwrap_or_default()
    }

    /// The whole number there, if there is one that fits.
    pub(super) fn some_whole<T: TryFrom<u64>>(&mut self, position: u8) -> Option<T> {
        if let Value::Whole(number) = self.at(position) { T::try_from(number).ok() } else { None }
    }

    /// The number there; 0 where there is none.
    pub(super) fn number(&mut self, position: u8) -> f64 {
        if let Value::Number(number) = self.at(position) { number } else { 0.0 }
    }

    /// Whether something is true there.
    pub(super) fn truth(&mut self, position: u8) -> bool {
        matches!(self.at(position), Value::Truth(true))
    }

    /// The fields of the struct there, if there is one.
    pub(super) fn some_struct(&mut self, position: u8) -> Option<Self> {
        let map = self.at(position);
        matches!(map, Value::Map(..)).then(|| Self::of_map(map))
    }
}

impl<'b> Reader<'b> {
    /// The next value; what stands in a container comes after it.
    fn value(&mut self) -> Value<'b> {
        match Marker::from_u8(self.byte()) {
            Marker::FixPos(number) => Value::Whole(number.into()),
            Marker::U8 => Value::Whole(self.big::<1>()),
            Marker::U16 => Value::Whole(self.big::<2>()),
            Marker::U32 => Value::Whole(self.big::<4>()),
            Marker::U64 => Value::Whole(self.big::<8>()),
            Marker::True => Value::Truth(true),
            Marker::False => Value::Truth(false),
            Marker::F64 => Value::Number(f64::from_bits(self.big::<8>())),
            Marker::FixStr(length) => self.text(length.into()),
            Marker::Str8 => self.long_text::<1>(),
            Marker::Str16 => self.long_text::<2>(),
            Marker::Str32 => self.long_text::<4>(),
            Marker::FixArray(length) => Value::List(length.into()),
            Marker::Array16 => Value::List(self.big::<2>()),
            Marker::Array32 => Value::List(self.big::<4>()),
            Marker::FixMap(pairs) => Value::Map(pairs.into(), self.0),
            Marker::Map16 => self.map::<2>(),
            Marker::Map32 => self.map::<4>(),
            Marker::I8 => self.nothing::<1>(),
            Marker::I16 => self.nothing::<2>(),
            Marker::I32 | Marker::F32 => self.nothing::<4>(),
            Marker::I64 => self.nothing::<8>(),
            // No packed event has any other.
            _ => Value::Nothing,
        }
    }

    /// Goes on to what comes after a value that was read.
    fn pass_over(&mut self, value: Value<'b>) {
        let inside = |value| match value {
            Value::List(length) => length,
            Value::Map(pairs, _) => pairs * 2,
            _ => 0,
        };
        let mut left = inside(value);
        while left > 0 && !self.0.is_empty() {
            left += inside(self.value());
            left -= 1;
        }
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    /// As many bytes; zeros where there are fewer.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().map_or(([0; N], &[][..]), |(taken, rest)| (*taken, rest));
        self.0 = rest;
        taken
    }

    fn big<const N: usize>(&mut self) -> u64 {
        self.bytes::<N>().into_iter().fold(0, |number, byte| number << 8 | u64::from(byte))
    }

    fn nothing<const N: usize>(&mut self) -> Value<'b> {
        self.bytes::<N>();
        Value::Nothing
    }

    fn map<const N: usize>(&mut self) -> Value<'b> {
        let pairs = self.big::<N>();
        Value::Map(pairs, self.0)
    }

    fn long_text<const N: usize>(&mut self) -> Value<'b> {
        let length = self.big::<N>();
        self.text(length)
    }

    fn text(&mut self, length: u64) -> Value<'b> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        Value::Text(taken)
    }
}

#[cfg(test)]
mod tests {
    use rmp::encode;

    use super::*;

    #[test]
    fn fields_are_found_behind_whatever_stands_before_them() {
        let mut bytes = Vec::new();
        encode::write_map_len(&mut bytes, 9).unwrap();
        bytes.push(0);
        // A list of lists of texts, as headers are, and a long one.
        encode::write_array_len(&mut bytes, 70_000).unwrap();
        for length in [3, 300, 70_000] {
            encode::write_array_len(&mut bytes, 2).unwrap();
            encode::write_str(&mut bytes, "name").unwrap();
            encode::write_str(&mut bytes, &"v".repeat(length)).unwrap();
        }
        bytes.resize(bytes.len() + 69_997, 0xc0);
        bytes.push(1);
        encode::write_map_len(&mut bytes, 2).unwrap();
        for (position, number) in [(0, 7), (1, u64::MAX)] {
            bytes.push(position);
            encode::write_uint(&mut bytes, number).unwrap();
        }
        bytes.push(2);
        encode::write_nil(&mut bytes).unwrap();
        for (position, number) in [(3, -1), (4, -100), (5, -70_000)] {
            bytes.push(position);
            encode::write_sint(&mut bytes, number).unwrap();
        }
        bytes.push(6);
        encode::write_f64(&mut bytes, 0.3).unwrap();
        bytes.push(8);
        encode::write_bool(&mut bytes, true).unwrap();
        bytes.push(9);
        encode::write_str(&mut bytes, "the last").unwrap();
        let mut values = Values::of(&bytes);
        let mut usage = values.some_struct(1).expect("a struct");
        let mut again = usage;
        assert_eq!((usage.whole::<u64>(0), usage.some_whole(1)), (7, Some(u64::MAX)));
        assert_eq!(again.some_whole::<u32>(1), None, "too large");
        assert_eq!(values.some_struct(1).map(|_| ()), None, "it is gone");
        assert_eq!((values.some_text(2), values.some_whole::<u64>(3)), (None, None));
        assert_eq!((values.number(6), values.text(7)), (0.3, ""));
        assert_eq!((values.truth(8), values.text(9)), (true, "the last"));
        // What is cut off anywhere, or is something else, gives what is there.
        for end in (0..bytes.len()).step_by(9_973).chain(bytes.len() - 30..bytes.len()) {
            assert!(Values::of(&bytes[..end]).text(9).is_empty());
        }
        assert_eq!(Values::of(&[0xdf, 255, 255, 255, 255, 9, 0xdd, 255, 255, 255, 255]).text(9), "");
        assert_eq!(Values::of(b"nonsense").text(0), "");
    }
}
