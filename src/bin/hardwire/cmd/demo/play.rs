//! The live part: an interface with the program on it, and real traffic.

use std::thread;
use std::time::{Duration, Instant};

use hardwire::assembler::ProgramImage;
use hardwire::compiler::Entry;
use hardwire::compiler::event::{Counter, Counters};
use hardwire::compiler::ir::Matcher;
use hardwire::engine::Kernel;
use hardwire::loader::link::{LinkError, XdpLink, XdpMode};
use hardwire::loader::{Program, ProgramInfo};
use hardwire::netlink::{Lab, NetlinkError, Socket};
use serde_json::json;

use super::datagrams::{Pair, Tally};
use super::http::{self, Reply, Server};
use super::interrupt::Interrupts;
use super::live::{self, Stage};
use super::problem;
use super::program::{FIRST, SECOND};
use super::story::{Story, quoted};
use crate::engine;
use crate::failure::{Failure, Problem};
use crate::output::grouped;

/// Datagrams sent one by one.
const DATAGRAMS: u32 = 1000;

/// How often the program is exchanged under traffic; odd, so that the new one stays.
const EXCHANGES: u64 = 21;

/// Harmless datagrams that arrive between two exchanges, at least.
const DATAGRAMS_BETWEEN: u64 = 200;

/// How long the kernel may take to count a frame that was sent, and to free a program that nobody
/// uses any more.
const SETTLE_WAIT: Duration = Duration::from_secs(1);

/// How often it is asked meanwhile.
const SETTLE_POLL: Duration = Duration::from_millis(2);

/// How long nothing is sent before the network counts as quiet.
const QUIET: Duration = Duration::from_millis(10);

/// A request, and what should become of it.
struct Request {
    text: &'static str,
    carries: bool,
    remark: &'static str,
}

impl Request {
    const fn new(text: &'static str, carries: bool, remark: &'static str) -> Self {
        Self { text, carries, remark }
    }

    /// `GET /admin`.
    fn name(&self) -> &'static str {
        self.text.split(" HTTP").next().unwrap_or(self.text)
    }
}

const ADMIN: Request = Request::new("GET /admin HTTP/1.1\r\nHost: demo\r\n\r\n", true, "");
const BACKUP: Request = Request::new("GET /backup HTTP/1.1\r\nHost: demo\r\n\r\n", false, "");
const REQUESTS: [Request; 6] = [
    Request::new("GET / HTTP/1.1\r\nHost: demo\r\n\r\n", false, ""),
    Request::new("GET /Admin HTTP/1.1\r\nHost: demo\r\n\r\n", false, "a near miss: the capital A"),
    BACKUP,
    ADMIN,
    Request::new("GET /admin/users HTTP/1.1\r\nHost: demo\r\n\r\n", true, ""),
    Request::new(
        "POST /form HTTP/1.1\r\nHost: demo\r\nContent-Length: 19\r\n\r\nlog=GET /admin 12ms",
        true,
        "the pattern is in its body",
    ),
];

/// What was sent and counted up to some time.
struct Reading {
    /// What the program counted.
    counters: Counters,
    /// Frames that the client has sent.
    frames: u64,
    /// TCP segments that it has sent again.
    resent: u64,
}

/// The live part, on its way. Dropping it, at whatever step, takes everything down.
pub(super) struct Play<'s, 'o, 'm> {
    story: &'s mut Story<'o>,
    interrupts: &'s Interrupts,
    server: Server,
    pair: Pair,
    stage: Stage<'m>,
}

impl<'s, 'o, 'm> Play<'s, 'o, 'm> {
    /// A web server on the one host, and sockets on both.
    ///
    /// # Errors
    ///
    /// They cannot be had.
    pub(super) fn new(
        story: &'s mut Story<'o>,
        stage: Stage<'m>,
        interrupts: &'s Interrupts,
    ) -> Result<Self, Failure> {
        let server = Server::start(&stage.lab.server)?;
        let pair = Pair::open(&stage.lab)?;
        Ok(Self { story, interrupts, server, pair, stage })
    }

    /// All steps. `second` and its image are what replaces the program on the stage.
    ///
    /// # Errors
    ///
    /// A step cannot be done, or the demo is interrupted.
    pub(super) fn perform(
        mut self,
        first: &ProgramInfo,
        second: &Matcher,
        second_image: &ProgramImage,
    ) -> Result<(), Failure> {
        self.show_lab()?;
        let before = self.quiet_reading()?;
        let mut link = self.attach(first)?;
        let requests = self.send_requests()?;
        let tally = self.send_datagrams()?;
        self.compare_counts(&before, requests, &tally)?;

        let replacement = Kernel::new(second, Entry::Xdp, second_image);
        let replacement = replacement.map_err(|error| engine::problem(&error))?;
        let second_id = live::info(replacement.program())?.id;
        self.replace(&mut link, &replacement)?;
        self.detach(link)?;
        drop(replacement);
        self.remove(&[first.id, second_id])
    }

    fn show_lab(&mut self) -> Result<(), Failure> {
        self.interrupts.check()?;
        let Lab { client, server } = &self.stage.lab;
        let (client_name, server_name) = (client.link.name.clone(), server.link.name.clone());
        let cable = format!(
            "client {} {client_name} ───── {server_name} {} web server",
            client.ipv4, server.ipv4
        );
        self.story.begin("lab", "Two hosts in network namespaces of their own, and a cable:")?;
        self.story.say(cable)?;
        self.story.finding("client", client_name);
        self.story.finding("server", server_name);
        let answered = self.is_answered(&ADMIN, true)?;
        self.story.claim(answered, "the server answers everything, GET /admin too: 200 OK")
    }

    fn attach(&mut self, first: &ProgramInfo) -> Result<XdpLink, Failure> {
        self.interrupts.check()?;
        let server = &self.stage.lab.server;
        let attached = server.enter(|| -> Result<XdpLink, Problem> {
            let mut socket = Socket::open().map_err(|error| netlink_problem(&error))?;
            let program = self.stage.kernel.program();
            XdpLink::attach(&mut socket, &server.link, program, XdpMode::Auto)
                .map_err(|error| link_problem(&error))
        });
        let link = attached.map_err(|error| netlink_problem(&error))??;
        let mode = match link.mode() {
            XdpMode::Native => "native mode: in the driver, in front of the network stack",
            XdpMode::Generic => "generic mode: in the network stack, as with drivers without XDP",
            XdpMode::Offload => "offload mode: on the network card",
            XdpMode::Auto => "a mode that the kernel does not tell",
        };
        let text =
            format!("From now on the program sees every frame that {} receives,", server.link.name);
        self.story.begin("attach", &text)?;
        self.story.say(format!("in {mode}."))?;
        let found = self.attached()?;
        let told = link.info().map_err(|error| link_problem(&error))?;
        self.story.finding("mode", link.mode().to_string());
        self.story.finding("link_id", told.id);
        self.story.finding("program_id", found);
        let ok = found == Some(first.id) && told.program_id == first.id;
        let text = format!("the kernel says: program {} by link {}", first.id, told.id);
        self.story.claim(ok, text)?;
        Ok(link)
    }

    /// The id of the program that the kernel says is attached.
    fn attached(&mut self) -> Result<Option<u32>, Problem> {
        let server = &mut self.stage.lab.server;
        let found = server.netlink.xdp(&server.link).map_err(|error| netlink_problem(&error))?;
        Ok(found.program(XdpMode::Auto))
    }

    fn is_answered(&self, request: &Request, expected: bool) -> Result<bool, Problem> {
        let reply = self.server.ask(&self.stage.lab.client, request.text, expected)?;
        Ok(reply == Reply::Status("200 OK".to_owned()))
    }

    /// Returns how many requests carried the pattern.
    fn send_requests(&mut self) -> Result<u64, Failure> {
        self.story.begin("http", "Six requests over TCP, each on a connection of its own:")?;
        let reached_before = self.server.requests();
        let (mut carrying, mut harmless, mut all_good) = (0_u64, 0, true);
        let mut findings = Vec::new();
        for request in &REQUESTS {
            self.interrupts.check()?;
            let answered = self.is_answered(request, !request.carries)?;
            let good = answered != request.carries;
            all_good &= good;
            if request.carries {
                carrying += 1;
            } else {
                harmless += 1;
            }
            let reply = if answered { "200 OK   " } else { "no answer" };
            let reply = self.story.mark(answered, reply);
            let line = format!("  {:<18} {reply}  {}", request.name(), request.remark);
            self.story.say(line.trim_end())?;
            findings.push(json!({
                "request": request.name(),
                "carries": request.carries,
                "answered": answered,
            }));
        }
        let reached = self.server.requests() - reached_before;
        self.story.finding("requests", findings);
        self.story.finding("reached", reached);
        self.story.claim(
            all_good && reached == harmless && !self.server.saw("/admin/users"),
            format!("{reached} requests reached the server: none of those with the pattern"),
        )?;
        Ok(carrying)
    }

    fn send_datagrams(&mut self) -> Result<Tally, Failure> {
        let text = format!(
            "{} datagrams of 64 to 1,400 bytes, every fourth with the pattern somewhere in it:",
            grouped(DATAGRAMS.into())
        );
        self.story.begin("udp", &text)?;
        let tally = self.pair.exchange(DATAGRAMS, FIRST, self.interrupts)?;
        self.tell_tally(&tally);
        self.story.claim(
            tally.is_clean() && tally.carrying > 0,
            format!(
                "of {} harmless ones {} arrived, of {} with the pattern {}",
                tally.harmless, tally.harmless_arrived, tally.carrying, tally.carrying_arrived
            ),
        )?;
        Ok(tally)
    }

    fn tell_tally(&mut self, tally: &Tally) {
        self.story.finding("harmless", tally.harmless);
        self.story.finding("harmless_arrived", tally.harmless_arrived);
        self.story.finding("carrying", tally.carrying);
        self.story.finding("carrying_arrived", tally.carrying_arrived);
    }

    /// What was sent and counted up to now.
    fn reading(&mut self) -> Result<Reading, Problem> {
        let client = &mut self.stage.lab.client;
        let link = client.netlink.link_by_index(client.link.index);
        let frames = link.map_err(|error| netlink_problem(&error))?.counts.tx_frames;
        let resent = http::retransmissions(client)?;
        Ok(Reading { counters: counters(&self.stage.kernel)?, frames, resent })
    }

    /// The same, when connections that were closed have said their last words.
    fn quiet_reading(&mut self) -> Result<Reading, Problem> {
        let mut last = self.reading()?.frames;
        settled(
            || {
                thread::sleep(QUIET);
                self.reading()
            },
            |now| std::mem::replace(&mut last, now.frames) == now.frames,
        )
    }

    /// What the program counted, against what was sent.
    fn compare_counts(
        &mut self,
        before: &Reading,
        requests: u64,
        tally: &Tally,
    ) -> Result<(), Failure> {
        let text = "The program counts, each CPU on its own; the sums must be what was sent:";
        self.story.begin("count", text)?;
        let now = settled(
            || self.quiet_reading(),
            |now| {
                let counted = now.counters.since(&before.counters);
                counted.get(Counter::Frames) >= now.frames - before.frames
            },
        )?;
        let counted = now.counters.since(&before.counters);
        let of = |counter| counted.get(counter);
        let (frames, matched) = (of(Counter::Frames), of(Counter::Matched));
        let (sent, resent) = (now.frames - before.frames, now.resent - before.resent);
        let expected = requests + tally.carrying;
        for (key, value) in [
            ("sent", sent),
            ("frames", frames),
            ("bytes", of(Counter::Bytes)),
            ("expected", expected),
            ("tcp_resent", resent),
            ("matched", matched),
            ("missed", of(Counter::Missed)),
            ("out_of_scope", of(Counter::OutOfScope)),
            ("unsearched", of(Counter::Unsearched)),
            ("dropped", of(Counter::Drop)),
            ("passed", of(Counter::Pass)),
        ] {
            self.story.finding(key, value);
        }
        let (seen, all) = (grouped(frames), grouped(sent));
        let text = format!("{seen} frames seen: the client's interface has sent {all}");
        self.story.claim(frames == sent, text)?;
        // TCP sends again what nobody acknowledges, and a dropped request is that.
        let again = match matched.saturating_sub(expected) {
            0 => String::new(),
            more => format!(" + {more} sent again by TCP"),
        };
        self.story.claim(
            (expected..=expected + resent).contains(&matched) && of(Counter::Drop) == matched,
            format!(
                "{matched} matched and dropped = {} datagrams + {requests} requests{again}",
                tally.carrying
            ),
        )?;
        let rest = frames.saturating_sub(matched);
        self.story.claim(
            of(Counter::Missed) == rest && of(Counter::Pass) == rest,
            format!("{} passed, the handshakes of TCP among them", grouped(of(Counter::Pass))),
        )
    }

    fn replace(&mut self, link: &mut XdpLink, new: &Kernel<'_>) -> Result<(), Failure> {
        let text = format!(
            "{} shall be dropped too. While datagrams flow, the old and the new program take each \
             other's place {EXCHANGES} times; each time is one atomic step.",
            quoted(SECOND)
        );
        self.story.begin("replace", &text)?;
        let (old, interrupts) = (&self.stage.kernel, self.interrupts);
        let both = || Ok::<_, Problem>([counters(old)?, counters(new)?]);
        let before = both()?;
        let ((), tally) = self.pair.flow(FIRST, |flow| {
            for exchange in 0..EXCHANGES {
                interrupts.check()?;
                flow.wait_for(DATAGRAMS_BETWEEN);
                let next = if exchange % 2 == 0 { new } else { old };
                link.replace(next.program()).map_err(|error| link_problem(&error))?;
            }
            flow.wait_for(DATAGRAMS_BETWEEN);
            Ok(())
        })?;
        let seen = settled(
            || {
                let now = both()?;
                let of = |at: usize| now[at].since(&before[at]).get(Counter::Frames);
                Ok([of(0), of(1)])
            },
            |seen| seen.iter().sum::<u64>() >= tally.sent(),
        )?;
        self.conclude_replacement(&tally, seen)?;
        let answered = self.is_answered(&BACKUP, false)?;
        self.story.claim(!answered, "GET /backup was answered before, and gets no answer now")
    }

    fn conclude_replacement(&mut self, tally: &Tally, seen: [u64; 2]) -> Result<(), Failure> {
        self.tell_tally(tally);
        self.story.finding("exchanges", EXCHANGES);
        self.story.finding("seen", seen.to_vec());
        let (sent, arrived) = (grouped(tally.harmless), grouped(tally.harmless_arrived));
        self.story.claim(
            tally.harmless_arrived == tally.harmless,
            format!("{sent} harmless datagrams sent, {arrived} arrived: nothing was lost"),
        )?;
        let (sent, arrived) = (grouped(tally.carrying), grouped(tally.carrying_arrived));
        self.story.claim(
            tally.carrying_arrived == 0,
            format!("{sent} with {} sent, {arrived} arrived: never a gap", quoted(FIRST)),
        )?;
        let [old, new] = seen;
        self.story.claim(
            old + new == tally.sent() && old > 0 && new > 0,
            format!(
                "each met exactly one: {} the old one + {} the new one = {} sent",
                grouped(old),
                grouped(new),
                grouped(tally.sent())
            ),
        )
    }

    fn detach(&mut self, link: XdpLink) -> Result<(), Failure> {
        self.interrupts.check()?;
        self.story.begin("detach", "A detach is believed when the kernel has been asked:")?;
        link.detach().map_err(|error| link_problem(&error))?;
        let found = self.attached()?;
        let answered = self.is_answered(&ADMIN, true)?;
        self.story.claim(
            found.is_none() && answered,
            "nothing is attached, and GET /admin is answered again: 200 OK",
        )
    }

    /// Take everything down and look whether it is gone.
    fn remove(self, programs: &[u32]) -> Result<(), Failure> {
        let Self { story, interrupts, server, pair, stage: Stage { kernel, mut lab, .. } } = self;
        interrupts.check()?;
        let text = "Programs and namespaces go with the last descriptor, even after kill -9:";
        story.begin("remove", text)?;
        drop((kernel, server, pair));
        let cut = lab.client.netlink.delete_link(&lab.client.link);
        cut.map_err(|error| netlink_problem(&error))?;
        let mut interfaces = 0;
        for host in [&mut lab.client, &mut lab.server] {
            let links = host.netlink.links().map_err(|error| netlink_problem(&error))?;
            interfaces += links.iter().filter(|link| !link.is_loopback()).count();
        }
        drop(lab);
        let left = settled(
            || {
                let ids = Program::ids();
                let ids = ids.map_err(|e| Problem::because("cannot list the programs", &e))?;
                Ok(programs.iter().copied().filter(|id| ids.contains(id)).collect::<Vec<_>>())
            },
            Vec::is_empty,
        )?;
        story.finding("interfaces_left", interfaces);
        story.finding("programs_left", left.as_slice());
        story.claim(interfaces == 0 && left.is_empty(), "nothing is left")
    }
}

fn counters(kernel: &Kernel<'_>) -> Result<Counters, Problem> {
    kernel.counters().map_err(|error| engine::problem(&error))
}

fn link_problem(error: &LinkError) -> Problem {
    problem(error, error.hint())
}

fn netlink_problem(error: &NetlinkError) -> Problem {
    problem(error, error.hint())
}

/// Ask until `done`, or until it takes too long: then the last answer.
fn settled<T>(
    mut ask: impl FnMut() -> Result<T, Problem>,
    mut done: impl FnMut(&T) -> bool,
) -> Result<T, Problem> {
    let due = Instant::now() + SETTLE_WAIT;
    loop {
        let answer = ask()?;
        if done(&answer) || Instant::now() >= due {
            return Ok(answer);
        }
        thread::sleep(SETTLE_POLL);
    }
}
