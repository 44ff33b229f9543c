//! Reading, hashing and decoding on one thread, looking into it on another.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::codec::Codec;
use super::decrypt::{Encryption, Ended, Opening};
use super::meter::{Halt, Meter};
use crate::finding::Finding;

/// Bytes that change hands at once, and how many such buffers wait: both sides go on while the
/// other is slow for a moment, and memory stays small.
const BUFFER_BYTES: usize = crate::backup::buffer_bytes(256 * 1024);
const BUFFERS: usize = 8;

/// What was learnt of a file by reading it to its end.
pub(crate) struct Whole {
    pub(crate) bytes_read: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) encryption: Encryption,
    /// Why it could not be decrypted to its end.
    pub(crate) fault: Option<Finding>,
    /// Whether checksums of its compression, or its encryption, cover everything in it.
    pub(crate) is_checked: bool,
    /// Whether the system read it to its end.
    pub(crate) read: io::Result<()>,
}

struct Sent {
    bytes: io::Result<Vec<u8>>,
    /// Bytes read from the file up to here: how far ahead the other thread is tells nothing.
    read: u64,
    halt: Option<Halt>,
}

/// Begins to read `file`, which is in `codec`. The second result gives what comes out; `meter`
/// counts for its reader. The thread reads on to the file's end even where nobody listens any more.
pub(crate) fn decode<'scope>(
    scope: &'scope Scope<'scope, '_>,
    file: Opening,
    codec: Codec,
    meter: Meter,
) -> (ScopedJoinHandle<'scope, Whole>, Piped) {
    let (sender, receiver) = sync_channel(BUFFERS);
    let thread = scope.spawn(move || read_whole(file, codec, &sender));
    (thread, Piped { receiver, buffer: Vec::new(), at: 0, meter, end: None })
}

fn read_whole(file: Opening, codec: Codec, sender: &SyncSender<Sent>) -> Whole {
    let meter = Meter::default();
    let mut clear = file.reader(&meter, true);
    let is_checked = send_all(&mut clear, codec, &meter, sender);
    // The hash speaks of the whole file, whatever the decoders made of it.
    let Ended { sha256, encryption, fault, read } = clear.end();
    let is_checked = is_checked || matches!(encryption, Encryption::Opened { .. });
    Whole { bytes_read: meter.read(), sha256, encryption, fault, is_checked, read }
}

fn send_all(raw: &mut dyn Read, codec: Codec, meter: &Meter, sender: &SyncSender<Sent>) -> bool {
    let send = |bytes: io::Result<Vec<u8>>| {
        let halt = meter.halt().filter(|_| bytes.is_err()).cloned();
        sender.send(Sent { bytes, read: meter.read(), halt }).is_ok()
    };
    let mut decoder = match codec.decoder(raw, meter) {
        Ok(decoder) => decoder,
        Err(error) => {
            send(Err(error));
            return false;
        }
    };
    loop {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let read = (&mut decoder).take(BUFFER_BYTES as u64).read_to_end(&mut buffer);
        let is_end = buffer.len() < BUFFER_BYTES;
        if !buffer.is_empty() && !send(Ok(buffer)) {
            return false;
        }
        match read {
            Ok(_) if is_end => return decoder.is_checked(),
            Ok(_) => {}
            Err(error) => {
                send(Err(error));
                return false;
            }
        }
    }
}

/// What comes out of a file that another thread reads. What is once an error stays one.
pub(crate) struct Piped {
    receiver: Receiver<Sent>,
    buffer: Vec<u8>,
    at: usize,
    meter: Meter,
    end: Option<End>,
}

enum End {
    Whole,
    Failed(io::ErrorKind, String),
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() {
            match &self.end {
                Some(End::Whole) => return Ok(0),
                Some(End::Failed(kind, text)) => {
                    return Err(io::Error::new(*kind, text.clone()));
                }
                None => {}
            }
            let Ok(sent) = self.receiver.recv() else {
                // A thread that has panicked is noticed by whoever joins it.
                self.end = Some(End::Whole);
                continue;
            };
            self.meter.set_read(sent.read);
            if let Some(halt) = sent.halt {
                self.meter.stop(halt);
            }
            match sent.bytes {
                Ok(bytes) => (self.buffer, self.at) = (bytes, 0),
                Err(error) => self.end = Some(End::Failed(error.kind(), error.to_string())),
            }
        }
        let count = (self.buffer.len() - self.at).min(buffer.len());
        buffer[..count].copy_from_slice(&self.buffer[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
