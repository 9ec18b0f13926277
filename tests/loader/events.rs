//! Ring buffers and perf event arrays: what a program hands over arrives, once, in order and whole,
//! and what it does not is known.

use std::{
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use hardwire::{
    assembler::{
        Alu, Helper, Insn, Jmp, MapKind, MapSpec, ProgramImage, ProgramKind,
        Reg::{R0, R1, R2, R3, R4, R5, R6, R7, R10},
        Width,
        insn::AtomicOp,
    },
    loader::{LoadOptions, Map, Program, ReadError, Reader, perf_buffer::PerfBuffer, test_run},
};

use super::{image, may_load, spec};

/// Bytes that a program hands over: the first of the packet behind its Ethernet header.
const RECORD_BYTES: usize = 64;
/// `BPF_F_CURRENT_CPU`.
const CURRENT_CPU: i32 = -1;

fn ring(bytes: u32) -> MapSpec {
    spec("events", MapKind::RingBuf, 0, 0, bytes)
}

fn perf() -> MapSpec {
    spec("events", MapKind::PerfEventArray, 4, 4, 0)
}

/// A socket filter that hands over the beginning of every packet and counts in the map behind how
/// often it could (first number) and could not (second).
fn forwarder(events: MapSpec) -> ProgramImage {
    let by_ring = events.kind == MapKind::RingBuf;
    let bytes = i32::try_from(RECORD_BYTES).unwrap();
    image(ProgramKind::SocketFilter, |asm| {
        let events = asm.map(events);
        let counts = asm.map(spec("counts", MapKind::Array, 4, 16, 1));
        let off = i16::try_from(-bytes).unwrap();
        asm.emit(Alu::Mov.reg(R6, R1));
        asm.emit(Alu::Mov.imm(R2, 0));
        asm.emit(Alu::Mov.reg(R3, R10));
        asm.emit(Alu::Add.imm(R3, i32::from(off)));
        asm.emit(Alu::Mov.imm(R4, bytes));
        asm.emit(Insn::call(Helper::SkbLoadBytes));
        if by_ring {
            asm.load_map(R1, events);
            asm.emit(Alu::Mov.reg(R2, R10));
            asm.emit(Alu::Add.imm(R2, i32::from(off)));
            asm.emit(Alu::Mov.imm(R3, bytes));
            asm.emit(Alu::Mov.imm(R4, 0));
            asm.emit(Insn::call(Helper::RingbufOutput));
        } else {
            asm.emit(Alu::Mov.reg(R1, R6));
            asm.load_map(R2, events);
            asm.emit(Alu::Mov.imm32(R3, CURRENT_CPU));
            asm.emit(Alu::Mov.reg(R4, R10));
            asm.emit(Alu::Add.imm(R4, i32::from(off)));
            asm.emit(Alu::Mov.imm(R5, bytes));
            asm.emit(Insn::call(Helper::PerfEventOutput));
        }
        asm.load_map_value(R2, counts, 0);
        let good = asm.label();
        asm.emit(Alu::Mov.imm(R7, 1));
        asm.emit(Jmp::Eq.imm(R0, 0, good));
        asm.emit(Alu::Add.imm(R2, 8));
        asm.bind(good);
        let op = AtomicOp::Add { fetch: false };
        asm.emit(Insn::Atomic { op, width: Width::W64, base: R2, off: 0, src: R7 });
        asm.emit(Insn::exit());
    })
}

fn loaded(events: MapSpec) -> Program {
    Program::load(&forwarder(events), &LoadOptions::default()).expect("loads")
}

/// How often the program could and could not hand over.
fn counts(program: &Program) -> (u64, u64) {
    let values = program.maps()[1].read_array().expect("read");
    let [could, could_not] = *values.value().as_chunks::<8>().0 else { panic!("two numbers") };
    (u64::from_ne_bytes(could), u64::from_ne_bytes(could_not))
}

/// A frame whose record says `number`.
fn frame(number: u64) -> Vec<u8> {
    let mut frame = vec![0; 14];
    for word in 0..RECORD_BYTES / 8 {
        frame.extend((number ^ (word as u64) << 56).to_ne_bytes());
    }
    frame
}

/// Hand over `number`; could it?
fn hand_over(program: &Program, number: u64) -> bool {
    test_run::run(program, &frame(number), 1, false).expect("runs").retval == 0
}

/// The numbers of all records there are.
fn numbers(reader: &mut Reader) -> Vec<u64> {
    let mut all = Vec::new();
    let drained = reader.drain(|bytes| {
        let words = bytes.as_chunks::<8>().0;
        let number = u64::from_ne_bytes(words[0]);
        assert!(bytes.len() >= RECORD_BYTES);
        assert_eq!(bytes[..RECORD_BYTES], frame(number)[14..], "record {number}");
        all.push(number);
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(drained.expect("sound"), (all.len() as u64, ControlFlow::Continue(())));
    all
}

/// Keep this thread on one CPU: records of one CPU come in order from either kind of map.
fn stay() {
    let cpu = nix::sched::sched_getcpu().expect("known");
    let mut only = nix::sched::CpuSet::new();
    only.set(cpu).expect("there");
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &only).expect("pinned");
}

#[test]
fn records_arrive_once_in_order_and_whole_however_often_the_ring_goes_round() {
    if !may_load() {
        return;
    }
    stay();
    for events in [ring(4096), perf()] {
        let kind = events.kind;
        let program = loaded(events);
        let mut reader = Reader::open(&program.maps()[0]).expect("opened");
        assert_eq!((numbers(&mut reader), reader.used()), (vec![], 0));
        // 72 or 80 bytes each: neither divides a ring.
        let (mut sent, mut got) = (0, Vec::new());
        for batch in (0..20_000_u64).map(|n| n % 50) {
            for _ in 0..batch {
                assert!(hand_over(&program, sent), "{kind:?}: record {sent}");
                sent += 1;
            }
            if batch > 0 {
                assert!(reader.wait(Duration::ZERO).expect("polled"));
            }
            got.extend(numbers(&mut reader));
            if sent > 30_000 {
                break;
            }
        }
        assert_eq!(got, (0..sent).collect::<Vec<_>>(), "{kind:?}");
        assert_eq!((counts(&program), reader.lost()), ((sent, 0), 0), "{kind:?}");
        assert!(!reader.wait(Duration::ZERO).expect("polled"), "{kind:?}: nothing is left");
    }
}

#[test]
fn what_finds_no_room_is_counted_and_the_rest_arrives() {
    if !may_load() {
        return;
    }
    stay();
    let program = loaded(ring(4096));
    let mut reader = Reader::open(&program.maps()[0]).expect("opened");
    let mut wanted: Vec<u64> = Vec::new();
    for round in 0..5 {
        let fit: Vec<u64> = (round * 100..round * 100 + 100)
            .filter(|&number| hand_over(&program, number))
            .collect();
        // The kernel leaves at least a byte free.
        assert!((56..=57).contains(&fit.len()), "{} of 72 bytes in 4096", fit.len());
        wanted.extend(&fit);
        assert_eq!(numbers(&mut reader), fit);
    }
    assert_eq!(counts(&program), (wanted.len() as u64, 500 - wanted.len() as u64));

    let program = loaded(perf());
    let mut reader = PerfBuffer::open(&program.maps()[0], 4096).expect("opened");
    let mut fit = 0;
    let mut got = 0;
    for number in 0..500 {
        fit += u64::from(hand_over(&program, number));
        if number % 100 == 99 {
            let drained = reader.drain(|_| ControlFlow::<()>::Continue(()));
            got += drained.expect("sound").0;
        }
    }
    // The kernel tells of a loss with the next record that fits.
    assert!(hand_over(&program, 500));
    got += reader.drain(|_| ControlFlow::<()>::Continue(())).expect("sound").0;
    assert_eq!((got, counts(&program)), (fit + 1, (fit + 1, 500 - fit)));
    assert!(fit < 300, "{fit} of 500 fit into five pages");
    assert_eq!(reader.lost(), 500 - fit);
}

#[test]
fn whoever_breaks_off_gets_the_rest_the_next_time() {
    if !may_load() {
        return;
    }
    stay();
    for events in [ring(4096), perf()] {
        let program = loaded(events);
        let mut reader = Reader::open(&program.maps()[0]).expect("opened");
        for number in 0..10 {
            assert!(hand_over(&program, number));
        }
        for number in 0..4 {
            let one = reader.drain(|bytes| ControlFlow::Break(u64::from(bytes[0])));
            assert_eq!(one.expect("sound"), (1, ControlFlow::Break(number)));
        }
        // A second reader of a ring goes on where the first one stopped.
        if program.maps()[0].spec().kind == MapKind::RingBuf {
            reader = Reader::open(&program.maps()[0]).expect("opened");
        }
        assert_eq!(numbers(&mut reader), (4..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_reader_that_waits_is_woken_and_one_without_work_is_not() {
    if !may_load() {
        return;
    }
    for events in [ring(4096), perf()] {
        let program = loaded(events);
        let mut reader = Reader::open(&program.maps()[0]).expect("opened");
        let start = Instant::now();
        assert!(!reader.wait(Duration::from_millis(20)).expect("waited"));
        assert!(start.elapsed() >= Duration::from_millis(20));
        for round in 0..20 {
            let start = Instant::now();
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(2));
                    assert!(hand_over(&program, round));
                });
                assert!(reader.wait(Duration::from_secs(20)).expect("waited"));
            });
            assert!(start.elapsed() < Duration::from_secs(10), "woken, not timed out");
            assert_eq!(numbers(&mut reader), [round]);
        }
    }
}

/// Two writers and a reader, all as fast as they can: what was counted as handed over arrives.
#[test]
fn under_load_every_record_arrives_or_is_counted_as_lost() {
    if !may_load() {
        return;
    }
    const RUNS: u32 = 200_000;
    for (events, few) in [(ring(4096), true), (ring(16 << 20), false), (perf(), false)] {
        let kind = events.kind;
        let program = loaded(events);
        let mut reader = Reader::open(&program.maps()[0]).expect("opened");
        let mut got = 0;
        thread::scope(|scope| {
            let writer = |number| {
                let program = &program;
                move || {
                    let ran = test_run::run(program, &frame(number), RUNS, false);
                    ran.expect("runs");
                }
            };
            let writers = [scope.spawn(writer(1)), scope.spawn(writer(2))];
            loop {
                let over = writers.iter().all(|writer| writer.is_finished());
                let found = numbers(&mut reader);
                got += found.len() as u64;
                if over && found.is_empty() {
                    break;
                }
                reader.rest(found.len() as u64, Duration::from_millis(1)).expect("waited");
            }
        });
        let (could, could_not) = counts(&program);
        assert_eq!(could + could_not, 2 * u64::from(RUNS), "{kind:?}");
        assert_eq!(got, could, "{kind:?}: {could_not} lost");
        assert!(!few || could_not > 0, "a page cannot hold this");
        assert!(reader.lost() <= could_not);
    }
}

#[test]
fn maps_without_events_are_refused() {
    if !may_load() {
        return;
    }
    let map = Map::create(&spec("a", MapKind::Array, 4, 8, 1)).expect("created");
    let error = Reader::open(&map).expect_err("an array");
    assert!(matches!(&error, ReadError::Kind { .. }), "{error:?}");
    assert!(error.to_string().contains("of type array"), "{error}");
}
