//! Headers as expressions see them: by names in any case, a text where there is one line of them and a
//! list where there are several (source: `Headers` in agentgateway's `cel/types.rs`, which looks names up
//! in the header map itself).

use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator, Sizer};
use cel::common::types::{CelInt, CelList, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use http::HeaderMap;

/// The value of `request.headers` and `response.headers`.
#[derive(Debug, Clone)]
pub(super) struct Headers<'h> {
    map: &'h HeaderMap,
    names: Vec<CelString<'h>>,
}

impl<'h> Headers<'h> {
    pub(super) fn new(map: &'h HeaderMap) -> Self {
        Self { map, names: map.keys().map(|name| CelString::from(name.as_str())).collect() }
    }

    /// What there is of a header; nothing where a line of it is no text.
    fn find(&self, name: &str) -> Option<Box<dyn Val + 'h>> {
        let lines = self.map.get_all(name).iter().map(|line| std::str::from_utf8(line.as_bytes()).ok());
        let lines: Vec<&'h str> = lines.collect::<Option<_>>()?;
        match lines[..] {
            [] => None,
            [only] => Some(Box::new(CelString::from(only))),
            _ => {
                let lines = lines.into_iter().map(|line| Box::new(CelString::from(line)) as Box<dyn Val + 'h>);
                Some(Box::new(CelList::from(lines.collect::<Vec<_>>())))
            }
        }
    }

    fn named(&self, name: &dyn Val) -> Result<Box<dyn Val + 'h>, ExecutionError> {
        let Some(name) = name.downcast_ref::<CelString<'_>>() else {
            let got = name.get_type().name().to_owned();
            return Err(ExecutionError::UnexpectedType { got, want: "map key".to_owned() });
        };
        self.find(name.inner()).ok_or_else(|| ExecutionError::NoSuchKey(Arc::new(name.inner().to_owned())))
    }
}

impl Val for Headers<'_> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Container for Headers<'_> {
    fn contains(&self, name: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.named(name).is_ok())
    }
}

impl Indexer for Headers<'_> {
    fn get<'b, 'v>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.named(name).map(|value| CowVal::Owned(value as Box<dyn Val + 'v>))
    }

    fn steal<'v>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.named(name).map(|value| value as Box<dyn Val + 'v>)
    }
}

impl Iterable for Headers<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Names(self.names.iter()))
    }
}

impl Sizer for Headers<'_> {
    fn size(&self) -> CelInt {
        i64::try_from(self.names.len()).unwrap_or(i64::MAX).into()
    }
}

struct Names<'b, 'h>(std::slice::Iter<'b, CelString<'h>>);

impl<'b, 'v, 'h: 'v> Iterator<'b, 'v> for Names<'b, 'h> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|name| name as &'b (dyn Val + 'v))
    }
}
