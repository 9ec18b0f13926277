//! The part with privileges: the verifier, an interface, and real traffic.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hardwire::assembler::{ProgramImage, Target};
use hardwire::compiler::event::{Counter, Counters};
use hardwire::compiler::ir::Matcher;
use hardwire::compiler::{Compiled, Entry};
use hardwire::engine::{EngineError, Kernel};
use hardwire::loader::link::{LinkError, XdpLink, XdpMode};
use hardwire::loader::{Capability, LoadError, MapError, Program, ProgramInfo, capability};
use hardwire::netlink::{Lab, Socket};
use serde_json::json;

use super::datagrams::{Pair, Tally};
use super::http::{self, Reply, Server};
use super::interrupt::Interrupts;
use super::program::{self, FIRST, SECOND};
use super::story::{Story, grouped, quoted};
use super::{offline, problem};
use crate::engine;
use crate::failure::{Failure, Problem};

/// What the whole demo needs.
const NEEDED: [Capability; 4] =
    [Capability::Bpf, Capability::NetAdmin, Capability::Perfmon, Capability::SysAdmin];

/// Datagrams sent one by one.
const DATAGRAMS: u32 = 1000;

/// How often the program is exchanged under traffic; odd, so that the new one stays.
const EXCHANGES: u64 = 21;

/// Harmless datagrams that arrive between two exchanges, at least.
const DATAGRAMS_BETWEEN: u64 = 200;

/// How long the kernel may take to count a frame that was sent, and to free a program that nobody
/// uses any more.
const SETTLE_WAIT: Duration = Duration::from_secs(1);

/// The requests, and whether they carry the pattern.
const REQUESTS: [(&str, bool, &str); 6] = [
    ("GET / HTTP/1.1\r\nHost: demo\r\n\r\n", false, ""),
    ("GET /Admin HTTP/1.1\r\nHost: demo\r\n\r\n", false, "a near miss: the capital A"),
    ("GET /backup HTTP/1.1\r\nHost: demo\r\n\r\n", false, ""),
    ("GET /admin HTTP/1.1\r\nHost: demo\r\n\r\n", true, ""),
    ("GET /admin/users HTTP/1.1\r\nHost: demo\r\n\r\n", true, ""),
    (
        "POST /form HTTP/1.1\r\nHost: demo\r\nContent-Length: 19\r\n\r\nlog=GET /admin 12ms",
        true,
        "the pattern is in its body",
    ),
];
const ADMIN: usize = 3;
const BACKUP: usize = 2;

/// Why the live part is left out.
pub(super) struct LeftOut {
    /// In words.
    pub(super) why: String,
    /// Capabilities that this process lacks.
    pub(super) missing: Vec<Capability>,
}

/// What needs privileges to be there: a program that the kernel has accepted, and two hosts.
pub(super) struct Stage<'a> {
    kernel: Kernel<'a>,
    load_time: Duration,
    lab: Lab,
}

impl<'a> Stage<'a> {
    /// Load the program and make the hosts, or say why this process may not.
    ///
    /// # Errors
    ///
    /// The kernel refuses for another reason than a lack of privileges.
    pub(super) fn set(
        matcher: &'a Matcher,
        image: &ProgramImage,
    ) -> Result<Result<Self, LeftOut>, Failure> {
        let missing = capability::missing(&NEEDED);
        if !missing.is_empty() {
            let why = "It needs capabilities that this process does not have.".to_owned();
            return Ok(Err(LeftOut { why, missing }));
        }
        let refused = |error: &dyn std::error::Error| {
            let why = format!("No capability is missing, but the kernel refuses: {error}.");
            Ok(Err(LeftOut { why, missing: Vec::new() }))
        };
        let since = Instant::now();
        let kernel = match Kernel::new(matcher, Entry::Xdp, image) {
            Ok(kernel) => kernel,
            Err(error) if is_forbidden(&error) => return refused(&error),
            Err(error) => return Err(engine::problem(&error).into()),
        };
        let load_time = since.elapsed();
        match Lab::new("demo") {
            Ok(lab) => Ok(Ok(Self { kernel, load_time, lab })),
            Err(error) if error.errno() == Some(libc::EPERM) => refused(&error),
            Err(error) => Err(problem(&error, error.hint()).into()),
        }
    }
}

/// Is this about what the process may do, and not about the program?
fn is_forbidden(error: &EngineError) -> bool {
    let EngineError::Load(error) = error else { return false };
    match error {
        LoadError::NoBpf | LoadError::Privilege { .. } => true,
        LoadError::Map { source: MapError::Create { source, .. }, .. } => {
            source.kind() == io::ErrorKind::PermissionDenied
        }
        LoadError::Image { .. }
        | LoadError::Map { .. }
        | LoadError::TooLarge { .. }
        | LoadError::Rejected { .. }
        | LoadError::Refused { .. }
        | _ => false,
    }
}

/// Everything from the verifier on.
pub(super) fn perform(
    story: &mut Story<'_>,
    mut stage: Stage<'_>,
    compiled: &Compiled,
    second: &Matcher,
    target: &Target,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let first_info = verify(story, &stage)?;
    story.begin("rehearse", "29 frames of a bundled capture, asked of the reference matcher,")?;
    story.say("of Hardwire's own BPF machine, and of the kernel.")?;
    let matcher = program::dropping(&[FIRST]);
    offline::rehearse(story, &matcher, &compiled.image, Some(&mut stage.kernel), interrupts)?;

    let before = counters(&stage.kernel)?;
    let server = Server::start(&stage.lab.server)?;
    let pair = Pair::open(&stage.lab)?;
    let mut play = Play { story, stage, server, pair, interrupts };
    play.show_lab()?;
    let mut link = play.attach(&first_info)?;
    let resent_before = http::retransmissions(&play.stage.lab.client)?;
    let requests = play.http()?;
    let resent = http::retransmissions(&play.stage.lab.client)?.saturating_sub(resent_before);
    let tally = play.udp()?;
    play.count(&before, requests, &tally, resent)?;

    let compiled = program::compile(second, target)?;
    let replacement =
        Kernel::new(second, Entry::Xdp, &compiled.image).map_err(|e| engine::problem(&e))?;
    let second_info = info(replacement.program())?;
    play.replace(&mut link, &replacement)?;
    play.detach(link)?;
    drop(replacement);
    play.remove(&[first_info.id, second_info.id])
}

/// What the verifier said.
fn verify(story: &mut Story<'_>, stage: &Stage<'_>) -> Result<ProgramInfo, Failure> {
    story.begin(
        "verify",
        "The kernel proves that the program ends and reads nothing but the packet,",
    )?;
    story.say("then translates it to machine code.")?;
    let info = info(stage.kernel.program())?;
    let cost = info.verified_insns.map_or_else(
        || "accepted".to_owned(),
        |insns| format!("accepted after {} steps of proof", grouped(insns.into())),
    );
    let ms = stage.load_time.as_secs_f64() * 1e3;
    let native = match info.jited_prog_len {
        0 => "not translated: there is no JIT here".to_owned(),
        bytes => format!("{} bytes of machine code", grouped(bytes.into())),
    };
    story.claim(true, format!("{cost}, in {ms:.1} ms; {native}"))?;
    story.finding("program_id", info.id);
    story.finding("processed", info.verified_insns);
    story.finding("load_ms", ms);
    story.finding("jited_bytes", info.jited_prog_len);
    Ok(info)
}

fn info(program: &Program) -> Result<ProgramInfo, Failure> {
    let told = program.info();
    Ok(told.map_err(|error| Problem::because("the kernel does not describe a program", &error))?)
}

fn counters(kernel: &Kernel<'_>) -> Result<Counters, Problem> {
    kernel.counters().map_err(|error| engine::problem(&error))
}

fn link_problem(error: &LinkError) -> Problem {
    problem(error, error.hint())
}

/// The live part, on its way.
struct Play<'s, 'o, 'm> {
    story: &'s mut Story<'o>,
    stage: Stage<'m>,
    server: Server,
    pair: Pair,
    interrupts: &'s Interrupts,
}

impl Play<'_, '_, '_> {
    fn show_lab(&mut self) -> Result<(), Failure> {
        self.interrupts.check()?;
        let lab = &self.stage.lab;
        let cable = format!(
            "client {} {} ─── {} {} web server",
            lab.client.ipv4, lab.client.link.name, lab.server.link.name, lab.server.ipv4
        );
        self.story
            .begin("lab", "Two hosts in network namespaces of their own, joined by a cable:")?;
        self.story.say(cable)?;
        self.story.finding("client", self.stage.lab.client.link.name.as_str());
        self.story.finding("server", self.stage.lab.server.link.name.as_str());
        let answered = self.is_answered(ADMIN, true)?;
        self.story.claim(answered, "the server answers everything, also GET /admin: 200 OK")
    }

    fn attach(&mut self, first: &ProgramInfo) -> Result<XdpLink, Failure> {
        self.interrupts.check()?;
        let server = &self.stage.lab.server;
        let attached = server.enter(|| -> Result<XdpLink, Problem> {
            let mut socket = Socket::open().map_err(|error| problem(&error, error.hint()))?;
            let program = self.stage.kernel.program();
            XdpLink::attach(&mut socket, &server.link, program, XdpMode::Auto)
                .map_err(|error| link_problem(&error))
        });
        let link = attached.map_err(|error| problem(&error, error.hint()))??;
        let name = server.link.name.clone();
        self.story.begin(
            "attach",
            &format!("From now on the program sees every frame that {name} receives."),
        )?;
        let mode = link.mode();
        self.story.say(match mode {
            XdpMode::Native => {
                "native mode: in the driver, before the kernel has touched the frame"
            }
            XdpMode::Generic => "generic mode: in the network stack, for drivers without XDP",
            XdpMode::Offload => "offloaded: on the network card",
            XdpMode::Auto => "in a mode that the kernel does not tell",
        })?;
        let found = self.attached()?;
        let told = link.info().map_err(|error| link_problem(&error))?;
        let ok = found == Some(first.id) && told.program_id == first.id;
        self.story.finding("mode", mode.to_string());
        self.story.finding("link_id", told.id);
        self.story.finding("program_id", found);
        let text = format!("the kernel says: program {} by link {}", first.id, told.id);
        self.story.claim(ok, text)?;
        Ok(link)
    }

    /// The id of the program that the kernel says is attached.
    fn attached(&mut self) -> Result<Option<u32>, Failure> {
        let server = &mut self.stage.lab.server;
        let found = server.netlink.xdp(&server.link);
        Ok(found.map_err(|error| problem(&error, error.hint()))?.program(XdpMode::Auto))
    }

    fn is_answered(&self, request: usize, expected: bool) -> Result<bool, Failure> {
        let (text, ..) = REQUESTS[request];
        let reply = self.server.ask(&self.stage.lab.client, text, expected)?;
        Ok(reply == Reply::Status("200 OK".to_owned()))
    }

    /// Returns how many requests carried the pattern.
    fn http(&mut self) -> Result<u64, Failure> {
        self.story.begin("http", "Six requests over TCP, each on a connection of its own:")?;
        let (mut carrying, mut all_good, mut findings) = (0, true, Vec::new());
        let reached_before = self.server.requests();
        for (request, carries, remark) in REQUESTS {
            self.interrupts.check()?;
            let line = request.split(" HTTP").next().unwrap_or(request);
            let reply = self.server.ask(&self.stage.lab.client, request, !carries)?;
            let answered = reply == Reply::Status("200 OK".to_owned());
            let good = answered != carries;
            all_good &= good;
            carrying += u64::from(carries);
            let text = match &reply {
                Reply::Status(status) => self.story.mark(good, &format!("{status:<9}")),
                Reply::Silence => self.story.mark(!good, "no answer"),
            };
            let remark = if remark.is_empty() { String::new() } else { format!("  ({remark})") };
            self.story.say(format!("  {line:<18} {text}{remark}"))?;
            findings.push(json!({"request": line, "carries": carries, "answered": answered}));
        }
        let reached = self.server.requests() - reached_before;
        self.story.finding("requests", findings);
        self.story.finding("reached", reached);
        let harmless = REQUESTS.len() - usize::try_from(carrying).unwrap_or(usize::MAX);
        let ok = all_good && reached == harmless && !self.server.saw("/admin/users");
        self.story.claim(
            ok,
            format!("the server got {reached} requests: those with the pattern never reached it"),
        )?;
        Ok(carrying)
    }

    fn udp(&mut self) -> Result<Tally, Failure> {
        self.story.begin(
            "udp",
            &format!(
                "{} datagrams of 64 to 1,400 bytes, every fourth with the pattern somewhere in it:",
                grouped(DATAGRAMS.into())
            ),
        )?;
        let tally = self.pair.exchange(DATAGRAMS, FIRST, self.interrupts)?;
        self.tally_findings(&tally);
        self.story.claim(
            tally.is_clean() && tally.carrying > 0,
            format!(
                "of {} harmless ones {} arrived, of {} with the pattern {}",
                grouped(tally.harmless),
                grouped(tally.harmless_arrived),
                grouped(tally.carrying),
                grouped(tally.carrying_arrived)
            ),
        )?;
        Ok(tally)
    }

    fn tally_findings(&mut self, tally: &Tally) {
        self.story.finding("harmless", tally.harmless);
        self.story.finding("harmless_arrived", tally.harmless_arrived);
        self.story.finding("carrying", tally.carrying);
        self.story.finding("carrying_arrived", tally.carrying_arrived);
    }

    /// What the program counted, against what was sent.
    fn count(
        &mut self,
        before: &Counters,
        requests: u64,
        tally: &Tally,
        resent: u64,
    ) -> Result<(), Failure> {
        self.story.begin(
            "count",
            "The program counts, on each CPU on its own; the sums must be what was sent:",
        )?;
        let expected = requests + tally.carrying;
        let kernel = &self.stage.kernel;
        let counted = settled(
            || Ok(counters(kernel)?.since(before)),
            |counted| counted.get(Counter::Matched) >= expected,
        )?;
        let of = |counter| counted.get(counter);
        let (frames, matched, missed) =
            (of(Counter::Frames), of(Counter::Matched), of(Counter::Missed));
        for (key, value) in [
            ("frames", frames),
            ("bytes", of(Counter::Bytes)),
            ("matched", matched),
            ("missed", missed),
            ("out_of_scope", of(Counter::OutOfScope)),
            ("unsearched", of(Counter::Unsearched)),
            ("dropped", of(Counter::Drop)),
            ("passed", of(Counter::Pass)),
            ("expected", expected),
            ("tcp_resent", resent),
        ] {
            self.story.finding(key, value);
        }
        let extra = matched.saturating_sub(expected);
        let resent_text =
            if extra > 0 { format!(" + {extra} sent again by TCP") } else { String::new() };
        // TCP sends again what is not acknowledged, and a dropped request is not.
        let all_sent = (expected..=expected + resent).contains(&matched);
        self.story.claim(
            all_sent && of(Counter::Drop) == matched,
            format!(
                "{} matched and dropped = {} datagrams + {requests} requests{resent_text}",
                grouped(matched),
                grouped(tally.carrying)
            ),
        )?;
        let rest = frames - matched;
        self.story.claim(
            missed == rest && of(Counter::Pass) == rest,
            format!(
                "{} passed, handshakes and acknowledgements too; {} out of scope, {} not searched",
                grouped(missed),
                of(Counter::OutOfScope),
                of(Counter::Unsearched)
            ),
        )
    }

    fn replace(&mut self, link: &mut XdpLink, replacement: &Kernel<'_>) -> Result<(), Failure> {
        let text = format!(
            "{} shall be dropped too. While datagrams flow, the old and the",
            quoted(SECOND)
        );
        self.story.begin("replace", &text)?;
        self.story.say(format!(
            "new program are exchanged {EXCHANGES} times; each exchange is one step."
        ))?;
        let Self { stage, pair, interrupts, .. } = self;
        let kernel = &stage.kernel;
        let both = || Ok::<_, Problem>([counters(kernel)?, counters(replacement)?]);
        let before = both()?;
        let (replaced, tally) = pair.flow(FIRST, |flow| {
            for round in 0..EXCHANGES {
                interrupts.check()?;
                flow.wait_for(DATAGRAMS_BETWEEN);
                let next = if round % 2 == 0 { replacement } else { kernel };
                link.replace(next.program()).map_err(|error| link_problem(&error))?;
            }
            flow.wait_for(DATAGRAMS_BETWEEN);
            Ok(EXCHANGES)
        })?;
        let seen = settled(
            || {
                let now = both()?;
                let of = |at: usize| now[at].since(&before[at]).get(Counter::Frames);
                Ok([of(0), of(1)])
            },
            |seen| seen.iter().sum::<u64>() >= tally.sent(),
        )?;
        self.tally_findings(&tally);
        self.story.finding("exchanges", replaced);
        self.story.finding("seen", seen.to_vec());
        self.story.claim(
            tally.harmless_arrived == tally.harmless,
            format!(
                "{} harmless datagrams sent, {} arrived: nothing was lost",
                grouped(tally.harmless),
                grouped(tally.harmless_arrived)
            ),
        )?;
        self.story.claim(
            tally.carrying_arrived == 0,
            format!(
                "{} with {} sent, {} arrived: at no time was the way open",
                grouped(tally.carrying),
                quoted(FIRST),
                tally.carrying_arrived
            ),
        )?;
        self.story.claim(
            seen.iter().sum::<u64>() == tally.sent() && seen.iter().all(|&frames| frames > 0),
            format!(
                "each met one program: {} the old one + {} the new one = {}",
                grouped(seen[0]),
                grouped(seen[1]),
                grouped(tally.sent())
            ),
        )?;
        let answered = self.is_answered(BACKUP, false)?;
        self.story.claim(!answered, "GET /backup, answered before, gets no answer now")
    }

    fn detach(&mut self, link: XdpLink) -> Result<(), Failure> {
        self.interrupts.check()?;
        self.story.begin("detach", "A detach is believed when the kernel has been asked:")?;
        link.detach().map_err(|error| link_problem(&error))?;
        let found = self.attached()?;
        let answered = self.is_answered(ADMIN, true)?;
        self.story.claim(
            found.is_none() && answered,
            "nothing is attached, and GET /admin is answered again: 200 OK",
        )
    }

    /// Take everything down and look whether it is gone.
    fn remove(self, programs: &[u32]) -> Result<(), Failure> {
        let Self { story, stage: Stage { kernel, mut lab, .. }, server, pair, interrupts } = self;
        interrupts.check()?;
        story.begin(
            "remove",
            "Programs and namespaces go with the last descriptor, also after kill -9:",
        )?;
        drop((kernel, server, pair));
        let cut = lab.client.netlink.delete_link(&lab.client.link);
        cut.map_err(|error| problem(&error, error.hint()))?;
        let mut interfaces = 0;
        for host in [&mut lab.client, &mut lab.server] {
            let links = host.netlink.links().map_err(|error| problem(&error, error.hint()))?;
            interfaces += links.iter().filter(|link| !link.is_loopback()).count();
        }
        drop(lab);
        let left = settled(
            || {
                let mut left = programs.to_vec();
                let ids = Program::ids();
                let ids = ids.map_err(|e| Problem::because("cannot list the programs", &e))?;
                left.retain(|id| ids.contains(id));
                Ok(left)
            },
            Vec::is_empty,
        )?;
        story.finding("interfaces_left", interfaces);
        story.finding("programs_left", left.as_slice());
        story.claim(interfaces == 0 && left.is_empty(), "nothing is left")
    }
}

/// Ask until `done`, or until it takes too long: then the last answer.
fn settled<T>(
    ask: impl Fn() -> Result<T, Problem>,
    done: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let due = Instant::now() + SETTLE_WAIT;
    loop {
        let answer = ask()?;
        if done(&answer) || Instant::now() >= due {
            return Ok(answer);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
