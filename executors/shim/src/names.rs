//! Answers questions for names: every one leads to the sandbox's own loopback, where the connection is carried to the
//! host. No name is looked up, so a question carries nothing out.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream, UdpSocket},
    sync::{Arc, atomic::AtomicUsize},
    thread,
    time::Duration,
};

use crate::forward::Place;

/// The largest question by UDP, in bytes. Source: RFC 1035, 2.3.4; what is longer comes by TCP.
const MAX_DATAGRAM_BYTES: usize = 512;
/// The largest question by TCP that is read, in bytes: a name of 255 and an option or two.
const MAX_QUESTION_BYTES: usize = 1_024;
/// Connections at a time; more are closed.
const MAX_CONNECTIONS: usize = 16;
/// Questions that one connection may bring.
const MAX_QUESTIONS: usize = 64;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(5);
/// The pause where nothing can be received.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long an answer may be kept, in seconds.
const LIFE_SECONDS: u32 = 5;
/// The address of every name.
const ADDRESS: [u8; 4] = [127, 0, 0, 1];

const HEADER_BYTES: usize = 12;
const MAX_NAME_BYTES: usize = 255;
const MAX_LABEL_BYTES: u8 = 63;
const TYPE_ADDRESS: u16 = 1;
const CLASS_INTERNET: u16 = 1;
/// Bits of the third byte of a header: it is an answer; it is not a plain query; recursion is wanted.
const ANSWER: u8 = 0x80;
const KIND: u8 = 0x78;
const RECURSION_WANTED: u8 = 0x01;
/// Bit of the fourth: recursion is to be had. Without it some clients ask elsewhere.
const RECURSION_AVAILABLE: u8 = 0x80;
/// Where the name of the question stands, as a pointer.
const NAME_OF_QUESTION: [u8; 2] = [0xC0, 0x0C];

/// Answers datagrams for as long as the process lives.
pub fn serve_datagrams(socket: &UdpSocket) {
    let mut question = [0; MAX_DATAGRAM_BYTES];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut question) else {
            thread::sleep(RETRY_PAUSE);
            continue;
        };
        if let Some(answer) = question.get(..length).and_then(answer) {
            // Who asked and went away needs no answer.
            let _ = socket.send_to(&answer, asker);
        }
    }
}

/// Answers connections for as long as the process lives.
pub fn serve_connections(listener: &TcpListener) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(RETRY_PAUSE);
            continue;
        };
        let Some(place) = Place::take(&open, MAX_CONNECTIONS) else {
            continue;
        };
        // Out of threads: the client sees its connection close.
        let _ = thread::Builder::new().spawn(move || {
            let _place = place;
            let _ = converse(&stream);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn converse(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    for _ in 0..MAX_QUESTIONS {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length > MAX_QUESTION_BYTES {
            return Ok(());
        }
        let mut question = vec![0; length];
        stream.read_exact(&mut question)?;
        let Some(answer) = answer(&question) else {
            return Ok(());
        };
        let Ok(length) = u16::try_from(answer.len()) else {
            return Ok(());
        };
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
    Ok(())
}

/// The answer to a question: the loopback for an IPv4 address, nothing for every other kind. What is no question with
/// one name in it gets none.
fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let header = message.get(..HEADER_BYTES)?;
    let flags = *header.get(2)?;
    let questions = u16::from_be_bytes([*header.get(4)?, *header.get(5)?]);
    if flags & (ANSWER | KIND) != 0 || questions != 1 {
        return None;
    }
    let question = question(message.get(HEADER_BYTES..)?)?;
    let is_address = question.kind == TYPE_ADDRESS && question.class == CLASS_INTERNET;
    let mut answer = header.get(..2)?.to_vec();
    answer.extend([ANSWER | flags & RECURSION_WANTED, RECURSION_AVAILABLE]);
    for count in [1, u16::from(is_address), 0, 0] {
        answer.extend(count.to_be_bytes());
    }
    answer.extend(question.bytes);
    if is_address {
        answer.extend(NAME_OF_QUESTION);
        answer.extend(TYPE_ADDRESS.to_be_bytes());
        answer.extend(CLASS_INTERNET.to_be_bytes());
        answer.extend(LIFE_SECONDS.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(ADDRESS);
    }
    Some(answer)
}

struct Question<'a> {
    /// Name, type and class as they came.
    bytes: &'a [u8],
    kind: u16,
    class: u16,
}

fn question(rest: &[u8]) -> Option<Question<'_>> {
    let mut end = 0;
    loop {
        let length = *rest.get(end)?;
        end += 1;
        match length {
            0 => break,
            // A pointer has nothing to point to in a first name.
            1..=MAX_LABEL_BYTES => end += usize::from(length),
            _ => return None,
        }
        if end >= MAX_NAME_BYTES {
            return None;
        }
    }
    let bytes = rest.get(..end + 4)?;
    let number = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    Some(Question {
        bytes,
        kind: number(end)?,
        class: number(end + 2)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const A: u16 = TYPE_ADDRESS;
    const AAAA: u16 = 28;
    const HTTPS: u16 = 65;
    const CHAOS: u16 = 3;

    fn ask(name: &str, kind: u16, class: u16) -> Vec<u8> {
        let mut message = vec![0xAB, 0xCD, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend(class.to_be_bytes());
        message
    }

    #[test]
    fn an_address_is_the_loopback_and_everything_else_is_empty() {
        let question = ask("packages.example", A, CLASS_INTERNET);
        let found = answer(&question).unwrap();
        assert_eq!(
            &found[..12],
            &[0xAB, 0xCD, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
        );
        assert_eq!(&found[12..question.len()], &question[12..]);
        assert_eq!(
            &found[question.len()..],
            &[0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]
        );
        for (kind, class) in [(AAAA, CLASS_INTERNET), (HTTPS, CLASS_INTERNET), (A, CHAOS)] {
            let question = ask("packages.example", kind, class);
            let empty = answer(&question).unwrap();
            assert_eq!(
                &empty[2..12],
                &[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0],
                "{kind}"
            );
            assert_eq!(empty.len(), question.len(), "{kind}");
        }
    }

    #[test]
    fn options_behind_the_question_do_no_harm() {
        let mut question = ask("a.example", A, CLASS_INTERNET);
        question[11] = 1;
        question.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        let found = answer(&question).unwrap();
        assert_eq!(found[7], 1, "one answer");
        assert_eq!(found[11], 0, "no option");
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let good = ask("a.example", A, CLASS_INTERNET);
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length]), None, "cut at {length}");
        }
        let with = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            message
        };
        for (what, message) in [
            ("an answer", with(2, 0x81)),
            ("an update", with(2, 0x28)),
            ("no question", with(5, 0)),
            ("two questions", with(5, 2)),
            ("a pointer", with(12, 0xC0)),
            ("a label of 64", with(12, 64)),
            (
                "a name of 300",
                ask(&vec!["a".repeat(59); 5].join("."), A, CLASS_INTERNET),
            ),
        ] {
            assert_eq!(answer(&message), None, "{what}");
        }
        // Nothing that can be thrown at it stops it.
        let mut noise = 1_u32;
        for length in 0..600 {
            let message: Vec<u8> = (0..length)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    noise.to_be_bytes()[0]
                })
                .collect();
            let _ = answer(&message);
        }
    }
}
