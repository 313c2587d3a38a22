//! Names in expectations, looked up in what the manifests describe.

use std::fmt;

use crate::source::{Diagnostic, Place};
use crate::topology::Topology;

/// Somebody whom an expectation speaks of: a provider, an address, a model, or the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the file has it.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Whom it means.
    pub who: Who,
}

/// Whom a target means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The gateway itself.
    Gateway,
    /// Any of these providers. One for a provider's name; an address or a model may have several.
    Providers(Vec<ProviderId>),
}

/// A provider of a backend, as events name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProviderId {
    /// Backend as `namespace/name`.
    pub backend: String,
    /// Provider.
    pub provider: String,
}

/// The word for the gateway itself.
pub const GATEWAY: &str = "gateway";

/// The names that the manifests give.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Absent where the manifests could not be read, so that no name can be wrong.
    providers: Option<Vec<Named>>,
    /// Groups of the backend that has the most.
    groups: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Named {
    id: ProviderId,
    /// All the ways to say this provider: `name`, `backend/name`, `namespace/backend/name`.
    spellings: [String; 3],
    endpoint: String,
    model: Option<String>,
}

/// One thing that a name could mean.
struct Meaning {
    kind: &'static str,
    who: Who,
}

impl Names {
    /// The names of a lab that is described so, at one time or another.
    #[must_use]
    pub fn of<'t>(topologies: impl IntoIterator<Item = &'t Topology>) -> Self {
        let (mut providers, mut groups) = (Vec::new(), 0);
        for backend in topologies.into_iter().flat_map(|topology| &topology.backends) {
            groups = groups.max(backend.groups.len());
            let full = format!("{}/{}", backend.namespace, backend.name);
            for (_, provider) in backend.providers() {
                let name = provider.name.value.clone();
                let named = Named {
                    spellings: [name.clone(), format!("{}/{name}", backend.name), format!("{full}/{name}")],
                    id: ProviderId { backend: full.clone(), provider: name },
                    endpoint: provider.endpoint.to_string(),
                    model: provider.model.clone(),
                };
                if !providers.contains(&named) {
                    providers.push(named);
                }
            }
        }
        Self { providers: Some(providers), groups }
    }

    /// How many groups there are, at most; none where the manifests could not be read.
    #[must_use]
    pub fn groups(&self) -> Option<usize> {
        self.providers.as_ref().map(|_| self.groups)
    }

    /// Names that take everything, for when the manifests could not be read.
    #[must_use]
    pub fn unchecked() -> Self {
        Self::default()
    }

    /// Whom `text` means, which stands at `place`.
    ///
    /// # Errors
    /// A name that the lab does not have, or one that could mean several things.
    pub fn resolve(&self, text: &str, place: Place) -> Result<Target, Diagnostic> {
        let target = |who| Target { text: text.to_owned(), place, who };
        let Some(providers) = &self.providers else {
            let id = ProviderId { backend: String::new(), provider: text.to_owned() };
            return Ok(target(if text == GATEWAY { Who::Gateway } else { Who::Providers(vec![id]) }));
        };
        let mut meanings = meanings(providers, text);
        match meanings.len() {
            0 => Err(unknown(providers, text, place)),
            1 => Ok(target(meanings.remove(0).who)),
            _ => Err(ambiguous(text, place, &meanings)),
        }
    }
}

/// Everything that `text` could mean, each different thing once.
fn meanings(providers: &[Named], text: &str) -> Vec<Meaning> {
    let mut found: Vec<Meaning> = Vec::new();
    let mut add = |kind, who: Who| {
        if !found.iter().any(|meaning| meaning.who == who) {
            found.push(Meaning { kind, who });
        }
    };
    if text == GATEWAY {
        add("the gateway itself", Who::Gateway);
    }
    for named in providers.iter().filter(|named| named.spellings.iter().any(|spelling| spelling == text)) {
        add("the provider", Who::Providers(vec![named.id.clone()]));
    }
    let all = |wanted: &dyn Fn(&Named) -> bool| -> Vec<ProviderId> {
        providers.iter().filter(|named| wanted(named)).map(|named| named.id.clone()).collect()
    };
    let at = all(&|named| named.endpoint.eq_ignore_ascii_case(text));
    if !at.is_empty() {
        add("the address of", Who::Providers(at));
    }
    let with = all(&|named| named.model.as_deref() == Some(text));
    if !with.is_empty() {
        add("the model of", Who::Providers(with));
    }
    found
}

fn unknown(providers: &[Named], text: &str, place: Place) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("the lab has no `{text}`"))
        .at(place, "neither a provider, nor an address, nor a model of the manifests");
    let known = |named: &'_ Named| {
        let [short, middle, _] = named.spellings.clone();
        [Some(short), Some(middle), Some(named.endpoint.clone()), named.model.clone()]
    };
    let names: Vec<String> = providers.iter().flat_map(known).flatten().chain([GATEWAY.to_owned()]).collect();
    let suggested = diagnostic.clone().suggest(text, names.iter().map(String::as_str));
    if suggested.help.is_empty() {
        let listed: Vec<_> = providers.iter().map(|named| format!("`{}`", named.id.provider)).collect();
        return diagnostic.help(if listed.is_empty() {
            "the manifests describe no provider".to_owned()
        } else {
            format!("providers here: {}", listed.join(", "))
        });
    }
    suggested
}

fn ambiguous(text: &str, place: Place, meanings: &[Meaning]) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("`{text}` could mean several things")).at(place, "say which");
    for meaning in meanings {
        diagnostic = diagnostic.help(format!("it is {}{}", meaning.kind, listed(&meaning.who)));
    }
    diagnostic.help("a provider can be written as `backend/provider` or `namespace/backend/provider`")
}

fn listed(who: &Who) -> String {
    match who {
        Who::Gateway => String::new(),
        Who::Providers(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| format!("`{id}`")).collect();
            format!(" {}", ids.join(", "))
        }
    }
}

impl Target {
    /// Whether it means this provider of this backend.
    #[must_use]
    pub fn is_provider(&self, backend: &str, provider: &str) -> bool {
        match &self.who {
            Who::Gateway => false,
            Who::Providers(ids) => ids.iter().any(|id| id.backend == backend && id.provider == provider),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.provider)
    }
}
