//! A connection that is driven by whoever reads its answer: from a task of its own each piece would be handed over, and that
//! costs more than the piece.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body as _, Frame, Incoming, SizeHint},
    client::conn::http1::SendRequest,
};

use super::refusal::Body;

/// A connection that has to be polled so that anything moves; none where it moves by itself.
type Connection = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// The body of an answer, with the connection on which it comes.
pub struct Driven {
    body: Incoming,
    connection: Connection,
}

/// Sends one request on a connection that nobody needs afterwards. Dropping the answer closes it.
pub async fn send(
    sender: &mut SendRequest<Body>,
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    request: Request<Body>,
) -> hyper::Result<Response<Driven>> {
    // A failure shows itself in the answer too.
    let connection = async { drop(connection.await) };
    let mut connection: Connection = if request.body().is_end_stream() {
        Some(Box::pin(connection))
    } else {
        // Its body has to go on while nobody reads the answer.
        tokio::spawn(connection);
        None
    };
    let mut answer = pin!(sender.send_request(request));
    let answer = poll_fn(|context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        drive(&mut connection, context);
        answer.as_mut().poll(context)
    });
    let answer = answer.await?;
    Ok(answer.map(|body| Driven { body, connection }))
}

/// Lets a connection move until it waits for somebody.
fn drive(connection: &mut Connection, context: &mut Context<'_>) {
    let is_over = connection
        .as_mut()
        .is_some_and(|connection| connection.as_mut().poll(context).is_ready());
    if is_over {
        *connection = None;
    }
}

impl hyper::body::Body for Driven {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        drive(&mut self.connection, context);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
