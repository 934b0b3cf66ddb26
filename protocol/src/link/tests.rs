//! The link's decisions, event by event.

use super::*;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn failed(again: bool) -> Event {
    Event::DialFailed { reason: "no".into(), again }
}

fn lost() -> Event {
    Event::Lost { reason: "cut".into() }
}

fn up() -> Machine {
    let mut machine = Machine::new(1);
    assert_eq!(machine.handle(ms(1), Event::Dialled), [Effect::Ping]);
    machine.handle(ms(2), Event::Heard { at: ms(2) });
    machine
}

#[test]
fn a_lost_carrier_is_dialled_at_once_and_then_with_pauses() {
    let mut machine = up();
    assert_eq!(machine.handle(ms(10), lost()), [Effect::Dial]);
    assert_eq!(machine.handle(ms(11), failed(true)), []);
    let at = machine.deadline(ms(11)).unwrap();
    assert!(at > ms(11) && at <= ms(61));
    assert_eq!(machine.handle(at - ms(1), Event::Tick), []);
    assert_eq!(machine.handle(at, Event::Tick), [Effect::Dial]);
}

#[test]
fn a_carrier_that_dies_before_it_carried_anything_counts_as_a_failure() {
    let mut machine = up();
    assert_eq!(machine.handle(ms(10), lost()), [Effect::Dial]);
    assert_eq!(machine.handle(ms(11), Event::Dialled), [Effect::Ping]);
    assert_eq!(machine.handle(ms(12), lost()), []);
    assert!(matches!(machine.state(), State::Waiting { .. }));
}

#[test]
fn before_the_first_success_it_gives_up() {
    let mut machine = Machine::new(1);
    assert_eq!(machine.handle(ms(1), failed(false)), []);
    assert_eq!(machine.state(), &State::Down { reason: "no".into() });

    let mut machine = Machine::new(1);
    let mut now = ms(0);
    for _ in 0..FIRST_ATTEMPTS_MAX {
        assert_eq!(machine.state(), &State::Dialling);
        machine.handle(now, failed(true));
        now = machine.deadline(now).unwrap_or(now);
        machine.handle(now, Event::Tick);
    }
    assert_eq!(machine.state(), &State::Down { reason: "no".into() });
}

#[test]
fn after_the_first_success_it_never_gives_up() {
    let mut machine = up();
    let mut now = ms(10);
    machine.handle(now, lost());
    for _ in 0..1000 {
        machine.handle(now, failed(false));
        now = machine.deadline(now).unwrap();
        assert_eq!(machine.handle(now, Event::Tick), [Effect::Dial]);
    }
}

#[test]
fn silence_after_a_ping_drops_the_carrier() {
    let mut machine = up();
    let ask = machine.deadline(ms(2)).unwrap();
    assert_eq!(machine.handle(ask, Event::Tick), [Effect::Ping]);
    let dead = machine.deadline(ask).unwrap();
    assert_eq!(machine.handle(dead, Event::Tick), [Effect::DropCarrier, Effect::Dial]);
    assert_eq!(machine.handle(dead, lost()), [], "late news changes nothing");
}

#[test]
fn a_stopped_link_stays_down() {
    let mut machine = up();
    machine.handle(ms(10), Event::Stop);
    assert_eq!(machine.handle(ms(11), lost()), []);
    assert!(matches!(machine.state(), State::Down { .. }));
    assert_eq!(machine.deadline(ms(12)), None);
}

#[test]
fn news_of_the_target_end_a_pause_and_move_a_link_that_is_up() {
    for news in [Event::Moved, Event::Reachable] {
        let mut machine = up();
        machine.handle(ms(10), lost());
        machine.handle(ms(11), failed(true));
        assert!(matches!(machine.state(), State::Waiting { .. }));
        assert_eq!(machine.handle(ms(12), news), [Effect::Dial]);
    }
    let mut machine = up();
    assert_eq!(machine.handle(ms(10), Event::Reachable), []);
    assert_eq!(machine.state(), &State::Up);
    assert_eq!(machine.handle(ms(10), Event::Moved), [Effect::DropCarrier, Effect::Dial]);
    // What was dialled before is not asked for twice.
    assert_eq!(machine.handle(ms(11), Event::Moved), []);
}
