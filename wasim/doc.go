// Package wasim is a WhatsApp network on loopback: the server that multi-device clients connect to, and
// the phones behind it. An unmodified whatsmeow client can be linked to an emulated phone, log in, send
// and receive end-to-end encrypted messages and attachments, and be put through what goes wrong in the
// field, without anything leaving the machine.
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
// decrypted by [Phone] Ana, who answers with receipts and, here, a reply. The examples show this whole.
//
// All three HTTP clients must be set. The one from [Server.HTTPClient] dials the emulator whatever host
// it is asked for, so a client that has it can't reach the real network. The root key is a variable of
// the whatsmeow package: a process is either connected to the real network or to emulators, never to
// both, and all emulators of a process share one certificate authority unless [Options.Seed] or
// [Options.Dir] says otherwise.
//
// # Phones
//
// A [Phone] is the primary device of a number. It keeps real Signal sessions, decrypts what companions
// send, downloads and verifies attachments, and logs each message once, however often it arrives;
// [Received] counts the attempts. [Phone.Await] waits for a message, [Phone.Messages] and
// [Phone.Received] read the log. With [Phone.Send], [Phone.SendFile] and [Phone.SendMessage] a phone writes
// to any other number. A number without a phone, or whose phone is Unregistered, isn't on WhatsApp.
//
// Phones make groups with [Phone.CreateGroup], change them with [Phone.ChangeGroup], and write to them by the
// group's JID in place of a number, under sender keys of their own. They type ([Phone.Type]), come
// online ([Phone.SetOnline]), change their picture ([Phone.SetPicture]), block ([Phone.Block]) and ring
// ([Phone.Call]; nobody can pick up). What clients do of this towards a phone is in [Phone.Activities], what
// they say of its messages in [Phone.Receipts].
//
// # What devices of an account share
//
// A phone hands each client that is linked to it the key of its app state, and its name. [Phone.SaveContact]
// and [Phone.Sync] change names, archived and muted chats and the rest, as using the phone does;
// [Phone.Settings] shows what any device of the account has set. With [PhoneOptions] History, a phone
// also passes on its chats: what [Phone.AddHistory] gave it, the texts that it has received and those it has
// sent. It is off by default because whatsmeow then keeps a goroutine for a minute, unless
// ManualHistorySyncDownload is set.
//
// # What can go wrong
//
// [Server.SetFault] makes the network misbehave: acknowledgements that are lost, late or negative,
// connections that break at the worst moment, refused logins, log-outs, failing media hosts. See
// [FaultKind]. What a companion hasn't acknowledged is delivered again at its next login.
//
// [Phone.LimitReachOut] restricts an account that wrote to too many strangers, [Server.RequireVersion] refuses
// clients that are too old.
//
// Anything a client asks that isn't emulated is refused and recorded. Let tests fail over it: check that
// [Server.Unhandled] is empty, or start servers with the package wasimtest, which does.
//
// # State
//
// Without a folder everything is in memory. With [Options.Dir], whatever the server acknowledges is on
// disk first; after a kill at any moment, phones, pairings, sessions, logs and undelivered stanzas are
// all there again, and clients need no new pairing. [Options.MaxMessages] bounds the logs of a long run in
// memory.
//
// A client that comes back gets what it has missed a hundred stanzas at a time, the next when it has
// acknowledged the last. [Options.Now] sets the network's clock.
//
// # Other processes
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
// # What it doesn't prove
//
// The emulator was made from what clients accept, and from no knowledge of the real servers. That a
// client works here says nothing about rate limits, bans, policies, or versions that are refused.
// Not emulated: answered calls, channels, communities, status broadcasts, joining groups by invitation,
// passkeys, business profiles and catalogues, and snapshots of app state.
package wasim
