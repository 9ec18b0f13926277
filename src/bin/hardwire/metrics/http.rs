//! As much of HTTP/1.1 as a scraper needs: one GET, one answer, close.

use super::CONTENT_TYPE;

/// Most bytes of a request: a scraper's has a few hundred.
pub(super) const REQUEST_BYTES_MAX: usize = 8192;

/// What a client wants, as far as it has said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// It has not finished.
    Unfinished,
    /// The counters.
    Metrics,
    /// What there is.
    Index,
    /// Something that is answered with this status.
    Refused(Status),
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 431.
    TooLarge,
    /// 500.
    Failed,
}

impl Status {
    const fn line(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Failed => "500 Internal Server Error",
        }
    }
}

/// Read a request of which `bytes` have come so far.
pub(super) fn read(bytes: &[u8]) -> Request {
    let ended = |end: &[u8]| bytes.windows(end.len()).any(|window| window == end);
    if !ended(b"\r\n\r\n") && !ended(b"\n\n") {
        if bytes.len() >= REQUEST_BYTES_MAX {
            return Request::Refused(Status::TooLarge);
        }
        return Request::Unfinished;
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Request::Refused(Status::BadRequest);
    };
    if !version.starts_with(b"HTTP/1.") {
        return Request::Refused(Status::BadRequest);
    }
    if method != b"GET" {
        return Request::Refused(Status::MethodNotAllowed);
    }
    match target.split(|byte| *byte == b'?').next() {
        Some(b"/metrics") => Request::Metrics,
        Some(b"/") => Request::Index,
        _ => Request::Refused(Status::NotFound),
    }
}

const INDEX: &str = "Hardwire: the counters are at /metrics\n";

/// The answer with the counters.
pub(super) fn metrics(text: &str) -> Vec<u8> {
    answer("200 OK", CONTENT_TYPE, "", text)
}

/// The answer that says what there is.
pub(super) fn index() -> Vec<u8> {
    answer("200 OK", "text/plain; charset=utf-8", "", INDEX)
}

/// The answer to what is not given.
pub(super) fn refusal(status: Status) -> Vec<u8> {
    let allow = if status == Status::MethodNotAllowed { "Allow: GET\r\n" } else { "" };
    let text = format!("{}\n", status.line());
    answer(status.line(), "text/plain; charset=utf-8", allow, &text)
}

fn answer(status: &str, kind: &str, more: &str, text: &str) -> Vec<u8> {
    let bytes = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\n{more}Connection: \
         close\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    );
    [head.as_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_get_of_two_paths_is_answered() {
        let refused = Request::Refused;
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; REQUEST_BYTES_MAX]].concat();
        for (text, expected) in [
            (&b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[..], Request::Metrics),
            (b"GET /metrics?name=x HTTP/1.0\n\n", Request::Metrics),
            (b"GET / HTTP/1.1\r\n\r\n", Request::Index),
            (b"GET / HTTP/1.1\r\n", Request::Unfinished),
            (b"", Request::Unfinished),
            (b"GET /x HTTP/1.1\r\n\r\n", refused(Status::NotFound)),
            (b"GET /metrics/../etc HTTP/1.1\r\n\r\n", refused(Status::NotFound)),
            (b"POST /metrics HTTP/1.1\r\n\r\n", refused(Status::MethodNotAllowed)),
            (b"get / HTTP/1.1\r\n\r\n", refused(Status::MethodNotAllowed)),
            (b"GET  / HTTP/1.1\r\n\r\n", refused(Status::BadRequest)),
            (b"GET /\r\n\r\n", refused(Status::BadRequest)),
            (b"PRI * HTTP/2.0\r\n\r\n", refused(Status::BadRequest)),
            (b"\x16\x03\x01\x02\n\n", refused(Status::BadRequest)),
            (b"\r\n\r\n", refused(Status::BadRequest)),
            (&long, refused(Status::TooLarge)),
        ] {
            assert_eq!(read(text), expected, "{}", text.escape_ascii());
        }
    }
}
