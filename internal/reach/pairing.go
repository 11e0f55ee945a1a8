package reach

import (
	"errors"
	"log/slog"

	"github.com/tidelinehq/tideline/internal/account"
)

const signalPairing = "pairing"

// PairingDesk is where members pair phones: account.Desk.
type PairingDesk interface {
	Tell(fn func(memberID int64, p account.Pairing))
	Heard(memberID int64, p account.Pairing)
}

// told is a pairing on its way between nodes.
type told struct {
	MemberID int64
	Pairing  account.Pairing
	Failed   string // text of Pairing.Failed, which is an error
}

// SharePairings lets the desks of all nodes know of each other's pairings.
func SharePairings(nodes Nodes, d PairingDesk, log *slog.Logger) {
	nodes.OnSignal(signalPairing, func(payload []byte) {
		var t told
		if !decode(payload, &t, log) {
			return
		}
		if t.Failed != "" {
			t.Pairing.Failed = errors.New(t.Failed)
		}
		d.Heard(t.MemberID, t.Pairing)
	})
	d.Tell(func(memberID int64, p account.Pairing) {
		t := told{MemberID: memberID, Pairing: p}
		if p.Failed != nil {
			t.Failed, t.Pairing.Failed = p.Failed.Error(), nil
		}
		signal(nodes, signalPairing, t)
	})
}
