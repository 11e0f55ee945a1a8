// Package wasim is a WhatsApp network on loopback: the server that multi-device clients connect to, and
// the phones behind it. An unmodified whatsmeow client can be linked to an emulated phone, log in, send
// and receive end-to-end encrypted messages and attachments, and be put through what goes wrong in the
// field, without anything leaving the machine. Clients in other languages can too.
//
// # Getting started
//
// Start a server, add phones, and point a client at it:
//
//	srv, err := wasim.Start(ctx, wasim.Options{})
//	business, err := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000100", Name: "Shop"})
//	ana, err := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana", AutoReply: "Thanks!"})
//
//	whatsmeow.WACertPubKey = srv.RootKey() // once, before the first client of the process
//	cli := whatsmeow.NewClient(device, nil)
//	hc := srv.HTTPClient()
//	cli.SetPreLoginHTTPClient(hc)
//	cli.SetWebsocketHTTPClient(hc)
//	cli.SetMediaHTTPClient(hc)
//
// Connect the client, hand the text of its first QR code to [Phone.ScanQR], and wait for its Connected
// event. From then on it is a linked device of the shop's phone: what it sends to Ana's number is
// decrypted by [Phone] Ana, who answers with receipts and, here, a reply. The package's example shows this
// whole.
//
// All three HTTP clients must be set. The one from [Server.HTTPClient] dials the emulator whatever host
// it is asked for, so a client that has it can't reach the real network. The root key is a variable of
// the whatsmeow package: a process is either connected to the real network or to emulators, never to
// both, and all emulators of a process share one certificate authority unless [Options.Seed] or
// [Options.Dir] says otherwise.
//
// # Testing a bot
//
// A test plays the customer and looks at what the bot does: [Phone.Send] writes to it, [Phone.Await] waits for
// its answer.
//
//	srv := wasimtest.Start(t, wasim.Options{}) // fails the test over anything that isn't emulated
//	shop := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000100", Name: "Shop"})
//	ana := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana"})
//	startBot(t, srv, shop) // yours: connects, and has shop.ScanQR read its code
//
//	ana.Send(ctx, shop.Number(), "Where is my order?")
//	answer, err := ana.Await(ctx, func(m wasim.Received) bool { return m.From == shop.Number() })
//
// Waiting ends with ctx, so give it a deadline. A server takes milliseconds to start and a few hundred KiB: each
// test can have its own, and tests can run in parallel. Numbers are free to choose; those of the form
// +1484000… belong to nobody.
//
// # Phones
//
// A [Phone] is the primary device of a number. It keeps real Signal sessions, decrypts what companions
// send, downloads and verifies attachments, and logs each message once, however often it arrives;
// [Received] counts the attempts. [Phone.Await] waits for a message, [Phone.Messages] and
// [Phone.Received] read the log. With [Phone.Send], [Phone.SendFile] and [Phone.SendMessage] a phone writes
// to any other number; SendMessage takes every kind there is: polls, locations and so on. [Phone.Reply],
// [Phone.React], [Phone.Edit] and [Phone.Delete] are about a message that the phone shows, [Phone.Sent] lists
// what it sent itself, [Phone.OpenFile] decrypts an attachment again. [Server.Changes] tells when there is
// something new to look at. A number without a phone, or whose phone is Unregistered, isn't on WhatsApp.
//
// [PhoneOptions] decide what a phone does by itself: answer, confirm that it got a message, confirm that it was
// read. [Phone.Read] does the last two later. By default people are addressed by hidden id (…@lid) and the
// number comes with it, as on the real network; with AddressByNumber a phone is one of the old kind, with
// HideNumber its number isn't told at all, until the option is taken back.
//
// Phones type ([Phone.Type]), come online ([Phone.SetOnline]), change their picture and a group's
// ([Phone.SetPicture], [Phone.SetGroupPicture]), block ([Phone.Block]) and ring ([Phone.Call]; nobody can pick up). What clients do of this towards a phone
// is in [Phone.Activities], what they say of its messages in [Phone.Receipts].
//
// # Groups
//
// [Phone.CreateGroup] makes a group, [Phone.ChangeGroup] adds and removes members, makes admins, sets the
// subject, or lets admins alone write. Phones and clients write to it by its JID in place of a number, under
// sender keys of their own. All members' clients are told of changes.
//
// # What devices of an account share
//
// A phone hands each client that is linked to it the key of its app state, and its name. [Phone.SaveContact],
// [Phone.SaveLabel], [Phone.LabelChat] and [Phone.Sync] change names, labels, archived and muted chats and the
// rest, as using the phone does; [Phone.Settings] and [Phone.Labels] show what any device of the account has
// set. With [PhoneOptions] History, a phone also passes on its chats: what [Phone.AddHistory] gave it, the texts
// that it has received and those it has sent. It is off by default because whatsmeow then keeps a goroutine for a
// minute, unless ManualHistorySyncDownload is set.
//
// # What can go wrong
//
// [Server.SetFault] makes the network misbehave. A fault strikes Count times, or until [Server.ClearFaults], at one
// Number or all; those marked "now" act once, when they are set.
//
//	message to or from a number
//	  drop_ack, delay_ack              it arrives, its acknowledgement doesn't, or late
//	  refuse                           a negative acknowledgement, Code 463 by default
//	  drop_message, lose_message       it vanishes, without or with an acknowledgement
//	  cut_on_message, cut_before_ack   the connection breaks before it arrives, or after
//	  fail_decrypt                     the phone can't read it and asks for it again
//	  ignore_number                    it is lost if addressed to the number, not the hidden id
//	  repeat_message                   a client gets it twice
//	keys
//	  lose_sessions    now: the phone forgets its sessions, as one restored from a backup
//	  new_phone        now: the owner moves to a new phone, with other keys
//	  lose_keys        now: the server has no one-time keys left for the phone's clients
//	connection
//	  cut, restart     now: it breaks; the server says that it restarts
//	  stream_error     now: the server ends it with Code
//	  half_open        now: it stays open, and what is sent either way is swallowed
//	  kick, logout     now: another session takes over; the owner unlinks the clients
//	  delay_up, delay_down   everything takes Delay, and by chance up to Jitter longer
//	  drop_ping        keep-alives stay unanswered
//	login
//	  refuse_connection   with HTTP status Code
//	  refuse_login        with a reason as Code: 401 logged out, 402 banned for Delay, 403 locked,
//	                      405 client outdated, 406 banned for good, 500 and 503 server trouble
//	media
//	  refuse_upload, refuse_download   with HTTP status Code, with FirstHost by one of two hosts
//
// Faults of one kind strike one after the other, the oldest first:
//
//	srv.SetFault(wasim.Fault{Kind: wasim.FaultDelayAck, Delay: time.Second, Count: 2}) // two messages, and then
//	srv.SetFault(wasim.Fault{Kind: wasim.FaultDelayAck, Delay: time.Minute, Count: 1}) // one
//
// What a companion hasn't acknowledged is delivered again at its next login, a hundred stanzas at a time, the next
// when it has acknowledged the last.
//
// [Phone.LimitReachOut] restricts an account that wrote to too many strangers, [Server.RequireVersion] refuses
// clients that are too old.
//
// Anything a client asks that isn't emulated is refused and recorded. Let tests fail over it: check that
// [Server.Unhandled] is empty, or start servers with the package wasimtest, which does. [Server.Trace] shows every
// stanza.
//
// # Time
//
// [Options.Now] is the network's clock, and [Server.AdvanceClock] sets it forward: a month of silence passes at
// once. Waiting is by the real clock: [Options.Latency] is how long answers to messages take.
//
// # State
//
// Without a folder everything is in memory. With [Options.Dir], whatever the server acknowledges is on
// disk first; after a kill at any moment, phones, pairings, sessions, logs and undelivered stanzas are
// all there again, and clients need no new pairing. [Options.MaxMessages] bounds the logs of a long run in
// memory.
//
// # Other languages and processes
//
// [Control] serves an HTTP API to add phones, scan codes, read logs, send, and set faults; with
// [Options.Control] the server serves it itself. [HTTPClient] is for Go clients that don't share the
// emulator's process. A client in another language needs its WebSocket address and root key changed to those
// of [Server.Network], and [Options.TLSListen] where it insists on TLS, as all do for media:
//
//	// Baileys, on Node.js with NODE_EXTRA_CA_CERTS naming a file that holds network.tls.certificate
//	WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(network.root_key, 'hex')
//	const socket = makeWASocket({ auth, waWebSocketUrl: network.tls.websocket })
//
// The command "tideline wasim --listen 127.0.0.1:4433 --tls" runs such a server by itself and prints the network
// as one line of JSON.
//
// # What it doesn't prove
//
// The emulator was made from what clients accept, and from no knowledge of the real servers. That a
// client works here says nothing about rate limits, bans, policies, or versions that are refused.
// Not emulated: answered calls, channels, communities, status broadcasts, joining groups by invitation,
// passkeys, business profiles and catalogues, and snapshots of app state.
package wasim
