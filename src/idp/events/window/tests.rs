use super::*;

/// The provider's clock, an hour ahead of ours or not.
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const NOTHING: [u8; 0] = [];
const GAP: Duration = Duration::from_secs(600);

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn before(number: u64) -> Timestamp {
    Timestamp(NOW.0 - number * 1000)
}

fn key(number: u8) -> Key {
    [number; 16]
}

/// Polls at `sent` and finds these events; which of them are new.
fn poll(
    window: &mut Window,
    sent: Instant,
    clock: Timestamp,
    events: &[(u8, Timestamp)],
) -> Vec<u8> {
    let mut reading = window.reading(sent, clock);
    let from = reading.from().unwrap_or_default();
    let shown = events.iter().filter(|(_, time)| *time >= from);
    let new = shown.filter(|(number, time)| reading.is_new(key(*number), *time));
    let new = new.map(|(number, _)| *number).collect();
    *window = reading.whole();
    new
}

#[test]
fn each_event_once_however_late_it_shows() {
    let start = Instant::now();
    let mut window = Windowed::anchored(Some((key(0), NOW)), start, NOW);
    let at = |number: u64| start + seconds(number);
    let clock = |number: u64| NOW.after(seconds(number));
    let mut events = vec![(1, NOW), (2, clock(1))];
    assert_eq!(poll(&mut window, at(2), clock(2), &events), [1, 2]);
    assert_eq!(poll(&mut window, at(4), clock(4), &events), NOTHING);
    // Its transaction took long.
    events.push((3, clock(3)));
    events.push((4, clock(25)));
    assert_eq!(poll(&mut window, at(26), clock(26), &events), [3, 4]);
    events.push((5, clock(2)));
    assert_eq!(poll(&mut window, at(28), clock(28), &events), [5]);
    assert_eq!(poll(&mut window, at(30), clock(30), &events), NOTHING);
    assert_eq!(poll(&mut window, at(32), clock(32), &events), NOTHING);
}

/// A thousand events of yesterday are not read again every two seconds.
#[test]
fn a_quiet_feed_moves_on() {
    let start = Instant::now();
    let mut window = Windowed::anchored(Some((key(0), NOW)), start, NOW);
    let from =
        |window: &Window, number: u64| window.reading(start, NOW.after(seconds(number))).from();
    assert_eq!(from(&window, 0), Some(before(30)));
    for number in (2..=60).step_by(2) {
        let clock = NOW.after(seconds(number));
        let new = poll(&mut window, start + seconds(number), clock, &[(1, NOW)]);
        assert_eq!(new.len(), usize::from(number == 2));
    }
    assert_eq!(from(&window, 60), Some(NOW.after(seconds(30))));
}

#[test]
fn clocks_need_not_agree() {
    let start = Instant::now();
    // Ours is an hour ahead: only the provider's counts.
    let ahead = NOW.after(seconds(3600));
    let mut window = Windowed::anchored(Some((key(0), NOW)), start, ahead);
    assert_eq!(window.reading(start, ahead).from(), Some(before(30)));
    assert_eq!(poll(&mut window, start + seconds(2), ahead, &[(1, before(20))]), [1]);
    // Ours is an hour behind: more is read than need be, and nothing twice.
    let behind = before(3600);
    let mut window = Windowed::anchored(Some((key(0), NOW)), start, behind);
    assert_eq!(poll(&mut window, start + seconds(2), behind, &[(1, NOW)]), [1]);
    assert_eq!(poll(&mut window, start + seconds(4), behind, &[(1, NOW), (2, NOW)]), [2]);
}

#[test]
fn an_event_of_the_future_hides_no_other() {
    let start = Instant::now();
    let future = Timestamp(u64::MAX);
    let mut window = Windowed::anchored(Some((key(0), future)), start, NOW);
    let mut events = vec![(1, future), (2, before(1))];
    assert_eq!(poll(&mut window, start + seconds(2), NOW.after(seconds(2)), &events), [1, 2]);
    events.push((3, NOW.after(seconds(3))));
    assert_eq!(poll(&mut window, start + seconds(4), NOW.after(seconds(4)), &events), [3]);
}

#[test]
fn a_feed_without_any_event() {
    let start = Instant::now();
    let mut window = Windowed::anchored(None, start, NOW);
    assert_eq!(window.reading(start, NOW).from(), None);
    assert_eq!(poll(&mut window, start + seconds(2), NOW, &[]), NOTHING);
    assert_eq!(window.reading(start, NOW).from(), None);
    assert_eq!(poll(&mut window, start + seconds(4), NOW, &[(1, before(2))]), [1]);
}

#[test]
fn closes_after_a_gap() {
    let start = Instant::now();
    assert!(!Window::default().is_open(start, GAP));
    let window = Windowed::anchored(Some((key(0), NOW)), start, NOW);
    assert!(window.is_open(start + GAP / 2, GAP) && !window.is_open(start + GAP, GAP));
}

/// Otherwise what could not be read would be found again at the next poll.
#[test]
fn goes_on_after_more_than_can_be_read() {
    let start = Instant::now();
    let mut window = Windowed::anchored(Some((key(0), NOW)), start, NOW).without_overlap();
    let clock = NOW.after(seconds(2));
    assert_eq!(window.reading(start, clock).from(), Some(NOW));
    assert_eq!(poll(&mut window, start + seconds(2), clock, &[(1, before(1)), (2, clock)]), [2]);
    let later = NOW.after(seconds(60));
    assert_eq!(poll(&mut window, start + seconds(60), later, &[]), NOTHING);
    assert_eq!(window.reading(start, later).from(), Some(NOW.after(seconds(30))));
}
