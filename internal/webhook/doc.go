// Package webhook tells programs outside what happened: it keeps subscriptions,
// turns the log of events into deliveries, and posts them until they arrive.
//
// # From event to receiver
//
// Run reads the log behind a durable cursor, renders the body of each event once
// per type that somebody subscribed to, and stores the deliveries together with
// the cursor. From then on each webhook with something pending has an endpoint:
// one goroutine that knows a window of its deliveries and lets attempts go. How
// attempts end is stored for all endpoints together, many in a commit.
//
// # What is promised
//
//   - Every event reaches every webhook that wanted it when it was fanned out, at
//     least once, or is dead and can be replayed. What arrives twice has the same
//     webhook-id.
//   - Per webhook and chat, deliveries go in the order of the events, one at a
//     time, also through an outage. Only a delivery that fails at an endpoint that
//     takes others is set aside and passed by the later ones of its chat.
//   - An endpoint that is slow or dead costs the others nothing but its share of
//     Config.InFlight, and no memory but a small window; while it is slow and not
//     down also a bounded part of a burst, see ahead.
//
// # When an attempt fails
//
// Anything but 2xx within tideline.DeliveryTimeout is a failure, a redirect too.
// A delivery has quick attempts, then ones with growing pauses; see
// tideline.NextAttempt. Whether a failed delivery is to blame or its endpoint,
// endpoint.judge says.
//
// It may be imported by transports and by cmd.
package webhook
