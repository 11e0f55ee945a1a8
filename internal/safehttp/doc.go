// Package safehttp is the one way out of the server to addresses that somebody
// else chose: webhooks' URLs, files by URL.
//
// Such an address may name this machine, its neighbours, or a cloud's metadata
// service, and a name that is harmless when it is checked may point elsewhere
// when it is used. So nothing is decided by looking at the URL: a Guard looks at
// the address that the socket is about to be connected to, after every lookup
// and on every hop, and refuses what is not on the public internet or in a
// network that the operator named.
//
// A Client adds what a careless peer can do: it uses no proxy, keeps no cookies,
// asks for no compression, follows redirects only when told to and never from
// https to http, and bounds the time, the headers and the body of an answer.
//
// Its errors name addresses and say what to do. They never repeat a URL, whose
// path and query may hold a secret.
package safehttp
