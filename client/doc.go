// Package client is a small Go client of the Tideline API, and of any server
// that speaks the TimelinesAI Public API.
//
//	c, err := client.New("http://127.0.0.1:8080", token)
//	sent, err := c.Send(ctx, client.Message{Phone: "+14840000000", Text: "hello, world!"})
//
// # Repeating
//
// A request that changes nothing is repeated a few times when the server is
// busy (429), fails (5xx) or can't be reached. A send is repeated only with
// Message.IdempotencyKey, because without one nobody can tell whether the first
// attempt sent something; an upload never is. Waits follow the server's
// Retry-After and end with the context.
//
// # Errors
//
// What the server refuses is an [*Error] with its code and, for a bad request,
// all fields that are wrong. Other errors are failures on the way: a connection
// that broke, an answer that is no answer of the API.
package client
