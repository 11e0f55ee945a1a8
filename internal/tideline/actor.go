package tideline

import "context"

// Via is the way by which a change came in.
type Via string

// The ways.
const (
	ViaInbox   Via = "inbox"        // a member, on the pages
	ViaAPI     Via = "api"          // a program, by the public API
	ViaCommand Via = "command line" // the operator
	ViaServer  Via = "server"       // nobody: the server itself, or WhatsApp
)

// Actor is who makes a change, for the audit log.
type Actor struct {
	MemberID int64 // 0 = no member: the operator, or the server itself
	TokenID  int64 // 0 = without a token
	Via      Via
}

type actorKey struct{}

// WithActor gives a context in which changes are a's. Who acts is one of the few
// things that may travel in a context: every change is written down with it, and
// no change depends on it.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf gives who acts in ctx; where nobody was named it is the server.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Via: ViaServer}
}

// Actor gives who acts when p makes a request that came by way of via.
func (p *Principal) Actor(via Via) Actor {
	return Actor{MemberID: p.Member.ID, TokenID: p.Token.ID, Via: via}
}
