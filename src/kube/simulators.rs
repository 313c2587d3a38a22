//! What answers at addresses that no manifest describes: simulators that a scenario puts there.

use std::collections::BTreeMap;

use crate::source::Spanned;
use crate::topology::{Authority, Service, Simulator, Topology};

/// What answers at an address.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenSimulator {
    /// The address, as a provider names it.
    pub authority: Spanned<Authority>,
    /// Who is there.
    pub answers: Answering,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answering {
    /// The fake OpenAI.
    Openai,
    /// A vLLM simulator.
    Vllm {
        /// What it is called; else the host, or for an address of numbers `simulator-PORT`.
        name: Option<String>,
        /// Its command line. The port comes from the address.
        args: Vec<Spanned<String>>,
        /// How many pods stand behind the address.
        replicas: u32,
    },
}

/// Puts them into the topology.
pub(super) fn add(given: &[GivenSimulator], topology: &mut Topology) {
    for one in given {
        let authority = &one.authority.value;
        match &one.answers {
            Answering::Openai => topology.openai.push(authority.clone()),
            Answering::Vllm { name, args, replicas } => {
                let place = one.authority.place;
                topology.services.push(Service {
                    name: authority.host.clone(),
                    namespace: String::new(),
                    port: authority.port,
                    simulator: topology.simulators.len(),
                    target_port: authority.port,
                    place,
                });
                let port = ["--port".to_owned(), authority.port.to_string()].map(|text| Spanned::new(text, place));
                topology.simulators.push(Simulator {
                    name: name.clone().unwrap_or_else(|| name_of(authority)),
                    namespace: String::new(),
                    replicas: *replicas,
                    args: args.iter().cloned().chain(port).collect(),
                    env: BTreeMap::new(),
                    place,
                });
            }
        }
    }
}

fn name_of(authority: &Authority) -> String {
    let is_address = authority.host.parse::<std::net::IpAddr>().is_ok();
    if is_address { format!("simulator-{}", authority.port) } else { authority.host.clone() }
}
