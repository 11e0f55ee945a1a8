// Package outbox sends what was accepted: one ordered lane per account, one
// message in flight, a gap between two sends.
//
// It keeps these promises:
//
//   - Per account, messages are sent in acceptance order; the next one starts
//     only after the one before has ended.
//   - From the end of one send to the start of the next at least the gap passes
//     that was drawn for the next message when it was accepted. Both the gap and
//     the instant from which it counts are stored, so a restart neither bursts
//     nor begins the wait again.
//   - Every attempt to send a message uses the WhatsApp id that was stored at
//     acceptance, so that a recipient shows it once, however often it is tried.
//   - While WhatsApp limits an account's first messages to strangers, those are
//     set aside and the others go on in their order. They come back to their place
//     when the limit ends or the stranger writes; one whose deadline is earlier
//     fails at once.
//   - People may pause a lane, take messages out of it and put messages first. What
//     they put first goes before the others of its lane, the last one so put before
//     the ones before it; among all others the order holds, and so do the gaps and
//     the one in flight. While a lane is paused, nothing of it is sent, except a
//     message that is in flight already, and nothing of it expires: deadlines count
//     anew from the end of the pause. What is in flight can't be cancelled or
//     overtaken.
//   - A message ends as sent or as failed with a reason, at the latest soon after
//     its deadline. Nothing is sent after a message of the lane until the outcome
//     of the one before is on disk.
//
// Several nodes may work at one queue, see Shared. Then a Service has the lanes that
// it adopted and not yielded, and the promises hold across the nodes: who yields a
// lane has nothing of it in flight, and who adopts it goes on with the clock, the
// order and the pause that are stored. Only when a node ends without yielding, or
// loses its lease, is a message that was in flight sent again, under its id. Clocks
// of nodes must agree for gaps to hold across a change of hands.
//
// The Pacer decides when (in memory, a few dozen bytes per lane, no goroutine
// per lane); the Service does the sending. Time inside the Pacer is monotonic:
// setting the machine's clock changes nothing for a running server.
package outbox
