//! Rows that are many are read on a thread of their own, while the next ones are decoded.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::reader::{RowReader, RowSummary};

/// Fewer are read at once: most tables are small, and a hand-over takes longer than they do.
const FEW_BYTES: usize = 512 * 1024;
/// Bytes that change hands at once, and how many such buffers wait.
const BUFFER_BYTES: usize = 256 * 1024;
const BUFFERS: usize = 4;

/// A thread for rows, which starts when it is first needed and serves one table after another.
#[derive(Default)]
pub(crate) struct Aside {
    thread: Option<Running>,
}

struct Running {
    /// Gone when the thread is to end.
    orders: Option<SyncSender<Order>>,
    done: Receiver<RowSummary>,
    handle: Option<JoinHandle<()>>,
}

enum Order {
    Begin(Box<RowReader>),
    Feed(Vec<u8>),
    Finish,
}

impl Aside {
    /// Begins with the rows that `reader` is for.
    pub(crate) fn begin(&mut self, reader: RowReader) -> Rows<'_> {
        Rows { aside: self, reader: Some(reader), fed: 0, buffer: Vec::new() }
    }

    fn order(&mut self, order: Order) {
        let running = self.thread.get_or_insert_with(Running::start);
        if let Some(orders) = &running.orders
            && orders.send(order).is_err()
        {
            running.end();
        }
    }

    fn finished(&mut self) -> Option<RowSummary> {
        let running = self.thread.as_mut()?;
        let done = running.done.recv().ok();
        if done.is_none() {
            running.end();
        }
        done
    }
}

impl Running {
    fn start() -> Self {
        let (orders, ordered) = sync_channel(BUFFERS);
        let (finished, done) = sync_channel(1);
        let handle = thread::spawn(move || {
            let mut reader: Option<Box<RowReader>> = None;
            for order in ordered {
                match (order, &mut reader) {
                    (Order::Begin(new), reader) => *reader = Some(new),
                    (Order::Feed(bytes), Some(reader)) => reader.feed(&bytes),
                    (Order::Finish, reader) => {
                        let Some(reader) = reader.take() else { continue };
                        if finished.send(reader.finish()).is_err() {
                            return;
                        }
                    }
                    (Order::Feed(_), None) => {}
                }
            }
        });
        Self { orders: Some(orders), done, handle: Some(handle) }
    }

    /// Waits for the thread's end; its panic goes on here.
    fn end(&mut self) {
        self.orders = None;
        if let Some(Err(panic)) = self.handle.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// One table's rows on their way.
pub(crate) struct Rows<'a> {
    aside: &'a mut Aside,
    /// Here as long as they are few.
    reader: Option<RowReader>,
    fed: usize,
    buffer: Vec<u8>,
}

impl Rows<'_> {
    /// Reads the next bytes, here or on the thread.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if let Some(reader) = &mut self.reader {
            reader.feed(bytes);
            self.fed += bytes.len();
            if self.fed > FEW_BYTES
                && let Some(reader) = self.reader.take()
            {
                self.aside.order(Order::Begin(Box::new(reader)));
            }
            return;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            let next = Vec::with_capacity(BUFFER_BYTES + bytes.len());
            let full = std::mem::replace(&mut self.buffer, next);
            self.aside.order(Order::Feed(full));
        }
    }

    /// Ends the rows, and waits for what was made of them.
    pub(crate) fn finish(mut self) -> Option<RowSummary> {
        if let Some(reader) = self.reader.take() {
            return Some(reader.finish());
        }
        let rest = std::mem::take(&mut self.buffer);
        self.aside.order(Order::Feed(rest));
        self.aside.order(Order::Finish);
        self.aside.finished()
    }
}

#[cfg(test)]
mod tests {
    use super::Aside;
    use crate::backup::rows::{RowReader, TextEncoding};

    fn rows(count: u32) -> Vec<u8> {
        let mut rows: Vec<u8> =
            (0..count).flat_map(|n| format!("{n}\tvalue\n").into_bytes()).collect();
        rows.extend_from_slice(b"\\.\n\n\n");
        rows
    }

    fn reader() -> RowReader {
        RowReader::new(None, TextEncoding::UNCHECKED).until_mark()
    }

    #[test]
    fn few_and_many_rows_are_counted_alike() {
        let mut aside = Aside::default();
        for count in [0, 3, 30_000, 300_000, 7] {
            let bytes = rows(count);
            let mut here = reader();
            here.feed(&bytes);
            let mut feeding = aside.begin(reader());
            bytes.chunks(64 * 1024).for_each(|chunk| feeding.feed(chunk));
            assert_eq!(feeding.finish(), Some(here.finish()), "{count}");
        }
    }

    #[test]
    fn rows_that_are_left_in_the_middle_are_forgotten() {
        let mut aside = Aside::default();
        let bytes = rows(200_000);
        let mut left = aside.begin(reader());
        bytes.chunks(64 * 1024).take(20).for_each(|chunk| left.feed(chunk));
        drop(left);
        let mut next = aside.begin(reader());
        bytes.chunks(64 * 1024).for_each(|chunk| next.feed(chunk));
        assert_eq!(next.finish().and_then(|summary| summary.rows), Some(200_000));
    }
}
