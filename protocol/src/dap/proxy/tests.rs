//! What the proxy does to single messages.

use serde_json::{Value, json};

use super::super::paths::{Pair, PathMap};
use super::{Effect, Evaluate, Plan, Proxy, REFERENCE_MIN, Side};
use crate::wire::debug::Quirk;

fn proxy(quirks: &[Quirk]) -> Proxy {
    let (local, remote) = ("/w".to_owned(), "/app".to_owned());
    let map = PathMap::new(vec![Pair { local, remote, reason: "" }], false);
    let arguments = json!({ "processId": 7 });
    let notes = vec!["hello".to_owned()];
    let adapter = "test".to_owned();
    let evaluate = Evaluate::Allowed;
    Proxy::new(Plan { adapter, arguments, quirks: quirks.to_vec(), evaluate, notes }, map)
}

fn request(seq: i64, command: &str, arguments: Value) -> Value {
    json!({ "seq": seq, "type": "request", "command": command, "arguments": arguments })
}

fn response(request_seq: i64, body: Value) -> Value {
    json!({
        "seq": 0, "type": "response", "request_seq": request_seq, "success": true,
        "command": "", "body": body,
    })
}

fn event(name: &str, body: Value) -> Value {
    json!({ "seq": 0, "type": "event", "event": name, "body": body })
}

fn to_adapter(effects: &[Effect]) -> Vec<Value> {
    let said = |effect: &Effect| match effect {
        Effect::ToAdapter(_, message) => Some(message.clone()),
        _ => None,
    };
    effects.iter().filter_map(said).collect()
}

fn to_client(effects: &[Effect]) -> Vec<Value> {
    let said = |effect: &Effect| match effect {
        Effect::ToClient(message) => Some(message.clone()),
        _ => None,
    };
    effects.iter().filter_map(said).collect()
}

#[test]
fn paths_are_local_on_one_side_and_remote_on_the_other() {
    let mut proxy = proxy(&[]);
    let source = json!({ "source": { "path": "/w/a.py" }, "breakpoints": [{ "line": 3 }] });
    let asked = to_adapter(&proxy.client(request(40, "setBreakpoints", source)));
    assert_eq!(asked[0]["arguments"]["source"]["path"], "/app/a.py");
    assert_eq!(asked[0]["seq"], 1, "numbers are the proxy's");
    let body = json!({ "breakpoints": [{ "verified": true, "source": { "path": "/app/a.py" } }] });
    let told = to_client(&proxy.adapter(Side::Main, response(1, body)));
    assert_eq!(told[0]["request_seq"], 40);
    assert_eq!(told[0]["body"]["breakpoints"][0]["source"]["path"], "/w/a.py");
    let odd = json!({ "variables": [{ "name": "path", "value": "/app/a.py" }] });
    proxy.client(request(41, "variables", json!({})));
    let told = to_client(&proxy.adapter(Side::Main, response(2, odd.clone())));
    assert_eq!(told[0]["body"], odd, "values are nobody's to change");
}

#[test]
fn addresses_are_spoken_to_editors_that_want_them() {
    let mut proxy = proxy(&[]);
    let asked = to_adapter(&proxy.client(request(1, "initialize", json!({ "pathFormat": "uri" }))));
    assert_eq!(asked[0]["arguments"]["pathFormat"], "path");
    let source = json!({ "source": { "path": "file:///w/a%20b.py" }, "breakpoints": [] });
    let asked = to_adapter(&proxy.client(request(2, "setBreakpoints", source)));
    assert_eq!(asked[0]["arguments"]["source"]["path"], "/app/a b.py");
    let output = event("output", json!({ "output": "x", "source": { "path": "/app/a b.py" } }));
    let told = to_client(&proxy.adapter(Side::Main, output));
    assert_eq!(told[0]["body"]["source"]["path"], "file:///w/a%20b.py");
}

#[test]
fn a_file_that_is_only_there_is_read_from_there() {
    let mut proxy = proxy(&[]);
    proxy.client(request(1, "stackTrace", json!({})));
    let frames = json!({ "stackFrames": [{ "source": { "path": "/usr/lib/x.py" } }] });
    let told = to_client(&proxy.adapter(Side::Main, response(1, frames)));
    let source = &told[0]["body"]["stackFrames"][0]["source"];
    assert_eq!(source["sourceReference"], REFERENCE_MIN);
    let wanted = json!({ "source": source, "sourceReference": REFERENCE_MIN });
    let effects = proxy.client(request(2, "source", wanted));
    let [Effect::Fetch { id, path }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(path, "/usr/lib/x.py");
    let told = to_client(&proxy.fetched(*id, Ok("text".to_owned())));
    assert_eq!((&told[0]["request_seq"], &told[0]["body"]["content"]), (&json!(2), &json!("text")));
    // A breakpoint in it is the adapter's, by its path.
    let set = json!({ "source": source, "breakpoints": [{ "line": 1 }] });
    let asked = to_adapter(&proxy.client(request(3, "setBreakpoints", set)));
    assert_eq!(asked[0]["arguments"]["source"], json!({ "path": "/usr/lib/x.py" }));
}

#[test]
fn a_breakpoint_in_a_file_that_is_nowhere_says_so() {
    let mut proxy = proxy(&[]);
    let set = json!({ "source": { "path": "/else/a.py" }, "breakpoints": [{ "line": 1 }] });
    let told = to_client(&proxy.client(request(1, "setBreakpoints", set)));
    let breakpoint = &told[0]["body"]["breakpoints"][0];
    assert_eq!(breakpoint["verified"], false);
    assert!(breakpoint["message"].as_str().is_some_and(|text| text.contains("--map")));
}

#[test]
fn a_process_is_let_go_whatever_the_editor_asks_for() {
    let mut proxy = proxy(&[Quirk::PauseBeforeDisconnect]);
    proxy.client(request(1, "attach", json!({ "process": "api", "justMyCode": false })));
    let effects = proxy.adapter(Side::Main, response(1, Value::Null));
    assert_eq!(to_client(&effects).len(), 1);
    let ask = request(2, "terminate", json!({ "terminateDebuggee": true }));
    let asked = to_adapter(&proxy.client(ask));
    assert_eq!(asked[0]["command"], "pause");
    let stopped = event("stopped", json!({ "reason": "pause", "threadId": 1 }));
    let asked = to_adapter(&proxy.adapter(Side::Main, stopped));
    assert_eq!(asked[0]["command"], "disconnect");
    assert_eq!(asked[0]["arguments"]["terminateDebuggee"], false);
    let effects = proxy.adapter(Side::Main, response(3, Value::Null));
    assert_eq!(to_client(&effects)[0]["command"], "terminate");
    assert!(matches!(effects.last(), Some(Effect::End(_))));
}

#[test]
fn an_editor_s_attach_has_what_the_adapter_needs_and_what_the_user_wants() {
    let mut proxy = proxy(&[]);
    let given = json!({ "process": "api", "justMyCode": false, "processId": 1 });
    let asked = to_adapter(&proxy.client(request(1, "launch", given)));
    assert_eq!(asked[0]["command"], "attach");
    assert_eq!(asked[0]["arguments"], json!({ "justMyCode": false, "processId": 7 }));
}

#[test]
fn a_child_session_is_all_that_an_editor_sees() {
    let mut proxy = proxy(&[Quirk::ChildSession]);
    proxy.client(request(1, "initialize", json!({})));
    proxy.adapter(Side::Main, response(1, json!({ "supportsTerminateRequest": true })));
    proxy.client(request(2, "attach", json!({})));
    let effects = proxy.adapter(Side::Main, event("initialized", Value::Null));
    assert!(to_client(&effects).is_empty(), "not yet");
    assert_eq!(to_adapter(&effects)[0]["command"], "configurationDone");
    let start =
        request(9, "startDebugging", json!({ "configuration": { "__pendingTargetId": 1 } }));
    let effects = proxy.adapter(Side::Main, start);
    assert!(effects.contains(&Effect::OpenChild));
    proxy.adapter(Side::Child, response(1, json!({})));
    let effects = proxy.adapter(Side::Child, event("initialized", Value::Null));
    let names: Vec<_> = to_client(&effects).iter().map(|told| told["event"].clone()).collect();
    assert_eq!(names, ["output", "initialized"]);
    let effects = proxy.client(request(3, "configurationDone", json!({})));
    assert!(matches!(effects[0], Effect::ToAdapter(Side::Child, _)));
    let told = to_client(&proxy.adapter(Side::Child, response(2, Value::Null)));
    assert_eq!(told[0]["request_seq"], 2, "the attach is answered by the child's");
}
