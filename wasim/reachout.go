package wasim

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// ackReachOutLimited is the negative acknowledgement of a message that a restricted account may not send.
const ackReachOutLimited = 463

// LimitReachOut restricts the phone's account until a time, as WhatsApp does with one that writes to many
// strangers: what its companions send to somebody with whom the account has no conversation yet is refused
// with error 463, everything else goes through. Companions are told when the restriction begins and, with a
// time that has passed or the zero time, that it is over; of its end by itself they are not told.
//
// The account has a conversation with everybody who wrote to it, or to whom its companions wrote before.
func (p *Phone) LimitReachOut(ctx context.Context, until time.Time) error {
	until = until.UTC().Truncate(time.Second) // as the notification has it
	active := until.After(p.srv.now())
	if !active {
		until = time.Time{}
	}
	var e effects
	err := p.update(ctx, &e, func() error {
		p.reachOut.Store(&until)
		for _, d := range p.srv.companions(p) {
			n, err := p.timelockNotice(active, until)
			if err != nil {
				return err
			}
			e.queue(d, 0, "notification", stanza.Str(&n, "id"), "mex", n)
		}
		return p.save(&e.batch)
	})
	if err != nil {
		return fmt.Errorf("wasim: limit who may be written to: %w", err)
	}
	return nil
}

// ReachOutLimit returns until when the account may not write to strangers; the zero time when it may.
func (p *Phone) ReachOutLimit() time.Time {
	until := p.reachOut.Load()
	if until == nil || !until.After(p.srv.now()) {
		return time.Time{}
	}
	return *until
}

// timelockNotice tells a companion of the restriction (whatsmeow notification.go, handleMexNotification, and
// types/events, NotifyAccountReachoutTimelock).
func (p *Phone) timelockNotice(active bool, until time.Time) (stanza.Node, error) {
	lock := map[string]any{"is_active": active, "enforcement_type": "DEFAULT"}
	if active {
		lock["time_enforcement_ends"] = strconv.FormatInt(until.Unix(), 10)
	}
	body, err := json.Marshal(map[string]any{"data": map[string]any{"xwa2_notify_account_reachout_timelock": lock}})
	if err != nil {
		return stanza.Node{}, err
	}
	return stanza.Node{
		Tag:   "notification",
		Attrs: stanza.Attrs{"type": "mex", "from": types.ServerJID, "id": newID(), "t": p.srv.now().Unix()},
		Content: []stanza.Node{{
			Tag: "update", Attrs: stanza.Attrs{"op_name": "NotificationUserReachoutTimelockUpdate"}, Content: body,
		}},
	}, nil
}

// mayReach reports whether the account may write to other now.
func (p *Phone) mayReach(other *Phone) (bool, error) {
	if other == p || p.ReachOutLimit().IsZero() {
		return true, nil
	}
	number := other.Number()
	log, err := p.Messages()
	if err != nil {
		return false, err
	}
	for _, m := range log {
		if m.Group == "" && (m.From == number || m.To == number) {
			return true, nil
		}
	}
	return false, nil
}
