//! Functions of agentgateway's own: `json(text)`, and `default(wanted, otherwise)`, whose first argument may fail.

use std::sync::Arc;

use cel::common::ast::Expr;
use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, IdedExpr, Value};
use serde_json::Value as Json;

/// A call of `default`, taken out of its expression: what is wanted, and what stands in for it.
#[derive(Debug, Clone)]
pub(super) struct Default {
    wanted: IdedExpr,
    otherwise: IdedExpr,
}

/// Takes every `default(…)` out of an expression, the inner ones first; a name stands where it stood. The
/// interpreter would evaluate its arguments before it is called, and end there.
pub(super) fn take_defaults(one: &mut IdedExpr, found: &mut Vec<Default>) {
    match &mut one.expr {
        Expr::Select(select) => take_defaults(&mut select.operand, found),
        Expr::List(list) => list.elements.iter_mut().for_each(|element| take_defaults(element, found)),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| take_defaults(target, found));
            call.args.iter_mut().for_each(|argument| take_defaults(argument, found));
            if call.func_name == "default" && call.target.is_none() && call.args.len() == 2 {
                let otherwise = call.args.pop().unwrap_or_default();
                let wanted = call.args.pop().unwrap_or_default();
                one.expr = Expr::Ident(name(found.len()));
                found.push(Default { wanted, otherwise });
            }
        }
        // What stands within one of the first three may depend on names that only it has.
        Expr::Comprehension(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Unspecified => {}
    }
}

/// The name of the `default` of this number: one that no author can write.
fn name(number: usize) -> String {
    format!("default@{number}")
}

/// Adds what the functions of this module give. One that fails has no value, and what depends on it none.
pub(super) fn add(context: &mut Context<'_, '_>, defaults: &[Default]) {
    // Only a name that is taken could be refused.
    let _ = context.add_function("json", |text: Value| json(&text));
    for (number, one) in defaults.iter().enumerate() {
        let value = match Value::resolve(&one.wanted, context) {
            Ok(Value::Null) | Err(ExecutionError::NoSuchKey(_) | ExecutionError::UndeclaredReference(_)) => {
                Value::resolve(&one.otherwise, context)
            }
            other => other,
        };
        if let Ok(value) = value {
            context.add_variable_from_value(name(number), value);
        }
    }
}

fn json(text: &Value) -> Result<Value, ExecutionError> {
    let parsed = match text {
        Value::String(text) => serde_json::from_str(text),
        Value::Bytes(bytes) => serde_json::from_slice(bytes),
        _ => return Err(ExecutionError::function_error("json", "neither text nor bytes")),
    };
    parsed.map(|parsed: Json| value(&parsed)).map_err(|error| ExecutionError::function_error("json", error))
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number.as_i64().map_or(Value::Float(number.as_f64().unwrap_or(0.0)), Value::Int),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(members) => {
            let keyed = members.iter().map(|(name, member)| (Key::String(Arc::new(name.clone())), value(member)));
            Value::Map(Map { map: Arc::new(keyed.collect()) })
        }
    }
}
