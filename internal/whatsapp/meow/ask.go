package meow

import (
	"context"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// ask runs a request of the library for somebody who may lose patience, and gives
// ctx's error when they do.
//
// The request itself goes on without ctx, until it is answered, its connection
// ends, or the connector is closed. The library closes the channel on which it
// waits for an answer when ctx ends while the request is being written, without
// looking whether an answer is just being sent on it, which would be a panic
// (whatsmeow request.go: cancelResponse, receiveResponse).
func ask[T any](ctx context.Context, c *Connector, request func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	var none T
	if !c.spawn(func() {
		value, err := request(c.ctx)
		answered <- answer{value, err}
	}) {
		return none, whatsapp.ErrOffline
	}
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
