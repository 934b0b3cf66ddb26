//! Nothing that happens to an editor, a hub or the link kills or freezes the app.

use std::time::{Duration, Instant};

use harness::debuggee::Checker;

use crate::python::PYTHON;
use crate::world::World;

#[test]
fn an_editor_that_is_killed_at_a_breakpoint_leaves_an_app_that_answers() {
    let mut world = World::new(PYTHON);
    let mut dap = world.dap(&["--lease", "1"]);
    dap.attach(&world.file().display().to_string(), &[world.line()]);
    let asked = world.app.ask("/work/3");
    dap.stopped();
    let checker = Checker::start(world.app.port);
    dap.kill();
    let killed = Instant::now();
    let answer = asked.join().expect("no panic").expect("the request is answered");
    let after = killed.elapsed();
    assert!(answer.ends_with("total=14"), "{answer}");
    println!("the request that stood at the breakpoint was answered {after:?} after the kill");
    assert!(after < Duration::from_secs(3), "{after:?}: the lease is 1 s");
    checker.more(20);
    world.app.assert_serves();
    checker.end();
}
