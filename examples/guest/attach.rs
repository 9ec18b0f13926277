//! Every way to attach, with traffic over a veth between two namespaces: what has the pattern is
//! dropped (XDP, tc) or kept (socket filter), everything else the other way round, and after the detach
//! everything arrives.

use std::{
    error::Error,
    io::{self, Read, Write},
    net::UdpSocket,
    os::fd::OwnedFd,
    time::Duration,
};

use hardwire::{
    compiler::{
        self, Entry, Options,
        event::record::Direction,
        ir::{Matcher, Pattern, Report, Scope, Verdict, Verdicts},
    },
    loader::{
        LoadOptions, Program, features,
        link::{OnOccupied, TcDirection, TcNetlink, TcxLink, XdpLink, XdpMode, XdpNetlink, socket},
    },
    netlink::{Lab, Socket},
};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType};
use serde_json::json;

use super::Row;

const NEEDLE: &[u8] = b"/etc/passwd";
/// Datagrams of one round; every second one has the needle.
const DATAGRAMS: u8 = 40;
/// Time in which what was sent over a veth has long arrived, in an emulated machine too.
const SILENCE: Duration = Duration::from_millis(300);

type Tried = Result<(), Box<dyn Error>>;

/// A row for each way to attach.
pub(crate) fn rows() -> Vec<Row> {
    type Way = fn(&mut Lab) -> Tried;
    const WAYS: [(&str, Way); 9] = [
        ("XDP by netlink, generic", |lab| netlink(lab, XdpMode::Generic)),
        ("XDP by netlink, native", |lab| netlink(lab, XdpMode::Native)),
        ("XDP by bpf_link, generic", |lab| link(lab, XdpMode::Generic)),
        ("XDP by bpf_link, native", |lab| link(lab, XdpMode::Native)),
        ("classifier by TCX if there is one, ingress", |lab| classifier(lab, TcDirection::Ingress)),
        ("classifier by clsact, ingress", |lab| clsact(lab, TcDirection::Ingress)),
        ("classifier by clsact, egress", |lab| clsact(lab, TcDirection::Egress)),
        ("filter of a UDP socket", udp_filter),
        ("filter of a packet socket", packet_filter),
    ];
    let mut rows = Vec::new();
    for (name, way) in WAYS {
        let tried = Lab::new("gst").map_err(Box::from).and_then(|mut lab| way(&mut lab));
        let why = tried.err().map(|e| e.to_string());
        let fine = why.is_none();
        rows.push((json!({ "attach": name, "why": why, "fine": fine }), fine));
    }
    rows
}

fn program(entry: Entry) -> Result<Program, Box<dyn Error>> {
    let pattern = Pattern::literal(1, NEEDLE);
    // A socket filter of a UDP socket sees no Ethernet header.
    let scope = if entry == Entry::SocketFilter { Scope::Raw } else { Scope::Payload };
    let verdicts = Verdicts { on_match: Verdict::Drop, ..Verdicts::default() };
    let matcher = Matcher { patterns: vec![pattern], scope, report: Report::First, verdicts };
    let target = features::target()?;
    let compiled = compiler::compile(&matcher, entry, &target, &Options::default())?;
    Ok(Program::load(&compiled.image, &LoadOptions::default())?)
}

fn netlink(lab: &mut Lab, mode: XdpMode) -> Tried {
    let program = program(Entry::Xdp)?;
    let socket = lab.server.namespace.socket()?;
    let mut guard =
        XdpNetlink::attach(socket, &lab.server.link, &program, mode, OnOccupied::Refuse)?;
    let found = guard.query()?.program(mode);
    expect("attached", &found, &Some(guard.program_id()))?;
    expect("while attached", &received(lab)?, &without_needle())?;
    guard.detach()?;
    expect("after the detach", &received(lab)?, &(0..DATAGRAMS).collect())
}

fn link(lab: &mut Lab, mode: XdpMode) -> Tried {
    let program = program(Entry::Xdp)?;
    let server = &lab.server;
    let link = server.enter(|| -> Result<XdpLink, String> {
        let mut socket = Socket::open().map_err(|e| e.to_string())?;
        XdpLink::attach(&mut socket, &server.link, &program, mode).map_err(|e| e.to_string())
    })??;
    let found = lab.server.netlink.xdp(&lab.server.link)?.program(mode);
    expect("attached", &found, &Some(program.info()?.id))?;
    expect("while attached", &received(lab)?, &without_needle())?;
    link.detach()?;
    expect("after the detach", &received(lab)?, &(0..DATAGRAMS).collect())
}

fn classifier(lab: &mut Lab, direction: TcDirection) -> Tried {
    if !features::TCX.support().is_yes() {
        return clsact(lab, direction);
    }
    let program = program(Entry::Tc(Direction::Ingress))?;
    let server = &lab.server;
    let link = server.enter(|| {
        TcxLink::attach(&server.link, &program, direction).map_err(|e| e.to_string())
    })??;
    expect("while attached", &received(lab)?, &without_needle())?;
    link.detach()?;
    expect("after the detach", &received(lab)?, &(0..DATAGRAMS).collect())
}

fn clsact(lab: &mut Lab, direction: TcDirection) -> Tried {
    let (entry, host) = match direction {
        TcDirection::Ingress => (Direction::Ingress, &lab.server),
        TcDirection::Egress => (Direction::Egress, &lab.client),
    };
    let program = program(Entry::Tc(entry))?;
    let link = host.link.clone();
    let guard = TcNetlink::attach(host.namespace.socket()?, &link, &program, direction)?;
    expect("while attached", &received(lab)?, &without_needle())?;
    guard.detach()?;
    let host = match direction {
        TcDirection::Ingress => &mut lab.server,
        TcDirection::Egress => &mut lab.client,
    };
    expect("the qdisc afterwards", &host.netlink.clsact_kind(&link)?, &None)?;
    expect("after the detach", &received(lab)?, &(0..DATAGRAMS).collect())
}

fn udp_filter(lab: &mut Lab) -> Tried {
    let to = lab.server.enter(|| UdpSocket::bind((lab.server.ipv4, 0)))??;
    socket::attach(&to, &program(Entry::SocketFilter)?)?;
    to.set_read_timeout(Some(SILENCE))?;
    send(lab, &to)?;
    expect("with the filter", &drain(|buffer| to.recv(buffer)), &with_needle())?;
    socket::detach(&to)?;
    send(lab, &to)?;
    expect("without it", &drain(|buffer| to.recv(buffer)), &(0..DATAGRAMS).collect())
}

fn packet_filter(lab: &mut Lab) -> Tried {
    let to = lab.server.enter(|| UdpSocket::bind((lab.server.ipv4, 0)))??;
    let packets: OwnedFd = lab.server.enter(|| {
        nix::sys::socket::socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )
    })??;
    socket::attach(&packets, &program(Entry::SocketFilter)?)?;
    let mut packets = std::fs::File::from(packets);
    // What came before the filter was there does not count.
    while packets.read(&mut [0; 2048]).is_ok() {}
    send(lab, &to)?;
    std::thread::sleep(SILENCE);
    expect("with the filter", &drain(|buffer| packets.read(buffer)), &with_needle())
}

/// The datagrams that arrive at the server, by number.
fn received(lab: &Lab) -> Result<Vec<u8>, Box<dyn Error>> {
    let to = lab.server.enter(|| UdpSocket::bind((lab.server.ipv4, 0)))??;
    to.set_read_timeout(Some(SILENCE))?;
    send(lab, &to)?;
    Ok(drain(|buffer| to.recv(buffer)))
}

/// Numbered datagrams from the client: the number is their last byte.
fn send(lab: &Lab, to: &UdpSocket) -> io::Result<()> {
    let from = lab.client.enter(|| UdpSocket::bind((lab.client.ipv4, 0)));
    let from = from.map_err(|e| io::Error::other(e.to_string()))??;
    for number in 0..DATAGRAMS {
        let mut datagram = vec![b'.'; 100 + 10 * usize::from(number)];
        if number % 2 == 1 {
            let at = usize::from(number);
            datagram[at..].as_mut().write_all(NEEDLE)?;
        }
        datagram.push(number);
        match from.send_to(&datagram, to.local_addr()?) {
            // What is dropped on its way out is an error of the sender.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
            sent => drop(sent?),
        }
    }
    Ok(())
}

fn drain(mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut numbers = Vec::new();
    while let Ok(bytes @ 1..) = receive(&mut buffer) {
        numbers.push(buffer[bytes - 1]);
    }
    numbers
}

fn with_needle() -> Vec<u8> {
    (0..DATAGRAMS).filter(|number| number % 2 == 1).collect()
}

fn without_needle() -> Vec<u8> {
    (0..DATAGRAMS).filter(|number| number % 2 == 0).collect()
}

fn expect<T: std::fmt::Debug + PartialEq>(when: &str, is: &T, should: &T) -> Tried {
    if is == should { Ok(()) } else { Err(format!("{when}: {is:?}, expected {should:?}").into()) }
}
