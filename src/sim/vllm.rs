//! stub
use crate::event::*;
use crate::world::World;
use std::collections::BTreeMap;
#[derive(Clone)]
pub struct Config {
    port: u16,
}
pub struct Warning {
    pub message: String,
    pub argument: Option<usize>,
}
#[derive(Debug)]
pub struct ConfigError;
impl ConfigError {
    pub fn argument(&self) -> Option<usize> {
        None
    }
    pub fn is_help(&self) -> bool {
        false
    }
}
impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
impl Config {
    pub fn usage() -> String {
        String::new()
    }
    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn parse(_: &[String], _: &BTreeMap<String, String>) -> Result<(Self, Vec<Warning>), ConfigError> {
        Ok((Self { port: 8000 }, vec![]))
    }
}
#[derive(Clone)]
pub struct Simulator {
    world: World,
    host: String,
}
impl Simulator {
    pub fn new(_: Config, world: World, host: &str) -> Self {
        Self { world, host: host.into() }
    }
    pub fn drain(&self) {}
    pub fn router(&self) -> axum::Router {
        let me = self.clone();
        axum::Router::new().fallback(move |req:axum::extract::Request| { let me=me.clone(); async move {
   let id=req.headers().get("x-request-id").and_then(|v|v.to_str().ok()).map(str::to_owned);
   let cred=me.world.credentials.of(req.headers());
   me.world.bus.emit(Kind::ProviderRequestReceived{request:id.clone(),attempt:0,host:me.host.clone(),path:req.uri().path().into(),model:None,stream:false,credential:cred});
   me.world.bus.emit(Kind::ProviderRequestEnded{request:id,attempt:0,host:me.host.clone(),status:429,outcome:Outcome::Complete,injected:Some("rate_limit".into()),usage:None});
   (http::StatusCode::TOO_MANY_REQUESTS,[("content-type","application/json")],r#"{"error":{"message":"Rate limit reached for mock-gpt-4o in organization org-xxx on requests per min (RPM): Limit 3, Used 3, Requested 1.","type":"RateLimitError","param":null,"code":429}}"#) }})
    }
}
