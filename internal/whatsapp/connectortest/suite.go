// Package connectortest is the suite that every whatsapp.Connector must pass.
// It runs a connector against wasim, the emulated network, so that what is
// tested is what a phone shows and what the server saw.
package connectortest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

// Open opens a connector on a network. Every call of the same Open gives a
// connector over the same stored sessions; the one before is closed by then.
//
// So that the suite is quick, a connector should reconnect within a second,
// also after being replaced, wait for an acknowledgement for AckWait, and notice
// a connection that does not answer within ten seconds. It looks back at least a
// day for history.
type Open func(t testing.TB, network *wasim.Server) whatsapp.Connector

// AckWait is how long connectors under test wait for an acknowledgement.
const AckWait = 3 * time.Second

// Run exercises a connector. newStorage gives an Open with empty storage; it is
// called once per test, from parallel tests.
func Run(t *testing.T, newStorage func(t testing.TB) Open) {
	for _, group := range [][]scenario{pairing, sending, attachments, receipts, inbound, calls, kinds, groups, connection, ending, history, presence} {
		for _, sc := range group {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				sc.run(t, newWorld(t, newStorage(t), sc.network))
			})
		}
	}
}

// scenario is one test of the suite.
type scenario struct {
	name    string
	network wasim.Options
	run     func(t *testing.T, w *world)
}
