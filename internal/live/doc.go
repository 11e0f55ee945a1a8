// Package live tells open pages what changed, who types and who looks at a chat.
//
// A [Hub] takes the changes that storage announces after each commit and hands
// them to subscriptions as notices. A notice says where to look and carries no
// content: the page fetches what it shows, by the way that decides who may see it.
// So a notice may be lost, doubled or late without harm, as long as one follows
// after the last change; and that is what the hub promises:
//
//   - After a change, every subscription of its workspace that may know of it gets
//     a notice of it, or is told to fetch everything anew (resync).
//   - A notice never overtakes its change: who fetches then finds it.
//   - Publishing never waits for a reader. A subscription holds a bounded number of
//     notices, one for each message, chat or account however often it changed; when
//     that is not enough it forgets them and is told to resync.
//   - A reader that comes back with the last id it saw misses nothing: what it
//     missed is in the ring of the last changes, or it is told to resync. Ids of
//     another run of the server are unknown, so they resync too.
//
// Who sees only part of the chats (store.Viewer) gets notices of those, and of a
// chat that is taken from them one last notice, so that it leaves their list.
//
// Typing and looking are told the same way, but never remembered: they end by
// themselves, a moment after they were last reported.
package live
