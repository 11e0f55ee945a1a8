package wasim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FaultKind names something that goes wrong.
type FaultKind string

// The kinds of faults. A message fault applies to a message that a companion sends; its Number is
// matched against both the sending account and the recipient. Those that refuse, drop or lose a message
// spare the answer to a phone's request for a retry, for which nobody repeats anything.
const (
	// FaultDropAck delivers the message and withholds the server's acknowledgement.
	FaultDropAck FaultKind = "drop_ack"
	// FaultDelayAck delivers the message and acknowledges it after Delay.
	FaultDelayAck FaultKind = "delay_ack"
	// FaultRefuse acknowledges with error Code (463 when 0) and doesn't deliver.
	FaultRefuse FaultKind = "refuse"
	// FaultDropMessage neither delivers nor acknowledges.
	FaultDropMessage FaultKind = "drop_message"
	// FaultLoseMessage acknowledges and never delivers.
	FaultLoseMessage FaultKind = "lose_message"
	// FaultCutOnMessage cuts the connection when the message arrives, undelivered.
	FaultCutOnMessage FaultKind = "cut_on_message"
	// FaultCutBeforeAck delivers the message and cuts the connection before the acknowledgement.
	FaultCutBeforeAck FaultKind = "cut_before_ack"
	// FaultFailDecrypt makes the recipient's phone unable to decrypt, so it asks for a retry.
	FaultFailDecrypt FaultKind = "fail_decrypt"

	// FaultCut closes the connections of Number's companions (of all, when empty) now.
	FaultCut FaultKind = "cut"
	// FaultRestart sends stream error 503 and closes, as a server that restarts, now.
	FaultRestart FaultKind = "restart"
	// FaultKick tells the connections that another one replaced them and closes them, now.
	// The pairing stays.
	FaultKick FaultKind = "kick"
	// FaultLogout unlinks every companion of Number, as its owner can on the phone, now.
	FaultLogout FaultKind = "logout"

	// FaultRefuseConnection answers the WebSocket request with HTTP status Code (503 when 0).
	// It knows no number.
	FaultRefuseConnection FaultKind = "refuse_connection"
	// FaultRefuseLogin fails the login with reason Code: 401, 402, 403, 405, 406, 409, 500, 503. A ban,
	// 402, lasts for Delay, 24 hours when 0.
	FaultRefuseLogin FaultKind = "refuse_login"
	// FaultDropPing leaves keep-alive pings unanswered.
	FaultDropPing FaultKind = "drop_ping"
	// FaultRefuseUpload answers media uploads with HTTP status Code (500 when 0), with FirstHost only at
	// the first of the two hosts that clients are told. It knows no number.
	FaultRefuseUpload FaultKind = "refuse_upload"
	// FaultRefuseDownload answers media downloads with HTTP status Code (404 when 0), also those
	// of phones, or with FirstHost only clients' at the first host. It knows no number.
	FaultRefuseDownload FaultKind = "refuse_download"

	// FaultStreamError ends the connections of Number's companions with stream error Code (500 when 0), now.
	FaultStreamError FaultKind = "stream_error"
	// FaultHalfOpen makes the connections of Number's companions go silent, now: the socket stays open,
	// and all that is sent either way is swallowed. A new connection works.
	FaultHalfOpen FaultKind = "half_open"
	// FaultLoseSessions makes Number's phone forget its encryption sessions, now, as a phone that is restored
	// from a backup does: it can't read what companions send on under the old ones, and asks for a retry.
	FaultLoseSessions FaultKind = "lose_sessions"
	// FaultNewPhone moves Number's owner to a new phone, now: it has other keys and no sessions, its companions
	// are unlinked, and clients that know it are told that its identity changed.
	FaultNewPhone FaultKind = "new_phone"
	// FaultLoseKeys makes the server run out of one-time keys of Number's companions, now. New sessions do
	// without, and the companions are told to upload more.
	FaultLoseKeys FaultKind = "lose_keys"
	// FaultIgnoreNumber acknowledges and forgets messages that are addressed to the recipient's number, as for
	// a contact who is known by hidden id only. Those addressed to the hidden id arrive.
	FaultIgnoreNumber FaultKind = "ignore_number"
	// FaultRepeatMessage delivers a message to Number's companions twice.
	FaultRepeatMessage FaultKind = "repeat_message"
	// FaultDelayUp makes each stanza of Number's clients take Delay, and up to Jitter longer, to the server.
	// Stanzas stay in order, and Count counts them.
	FaultDelayUp FaultKind = "delay_up"
	// FaultDelayDown makes each stanza to Number's clients take Delay, and up to Jitter longer.
	FaultDelayDown FaultKind = "delay_down"
)

// FaultKinds lists every kind that [Server.SetFault] accepts.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultDropAck, FaultDelayAck, FaultRefuse, FaultDropMessage, FaultLoseMessage, FaultCutOnMessage,
		FaultCutBeforeAck, FaultFailDecrypt, FaultCut, FaultRestart, FaultKick, FaultLogout,
		FaultRefuseConnection, FaultRefuseLogin, FaultDropPing, FaultRefuseUpload, FaultRefuseDownload,
		FaultStreamError, FaultHalfOpen, FaultLoseSessions, FaultLoseKeys, FaultIgnoreNumber, FaultRepeatMessage,
		FaultDelayUp, FaultDelayDown, FaultNewPhone,
	}
}

// Fault is something that goes wrong on purpose, set with [Server.SetFault] or over the control API.
// In JSON, delay and jitter are Go durations such as "250ms":
//
//	{"kind":"refuse","number":"+14840000001","code":463,"count":1}
type Fault struct {
	// ID is assigned by SetFault.
	ID string
	// Kind says what goes wrong.
	Kind FaultKind
	// Number restricts the fault to one phone number; empty means all.
	Number string
	// Count is how often the fault strikes before it is spent; 0 means until it is cleared.
	// Faults that act now are never stored and ignore it.
	Count int
	// Code is the error, reason or status code of the kinds that have one.
	Code int
	// Delay is used by FaultDelayAck, FaultDelayUp and FaultDelayDown, and says how long a ban lasts.
	Delay time.Duration
	// Jitter is the most that FaultDelayUp and FaultDelayDown add to Delay, by chance.
	Jitter time.Duration
	// FirstHost restricts a media fault to the first host that clients are told.
	FirstHost bool
}

type faultJSON struct {
	ID     string    `json:"id,omitempty"`
	Kind   FaultKind `json:"kind"`
	Number string    `json:"number,omitempty"`
	Count  int       `json:"count,omitempty"`
	Code   int       `json:"code,omitempty"`
	Delay  string    `json:"delay,omitempty"`
	Jitter string    `json:"jitter,omitempty"`
	First  bool      `json:"first_host,omitempty"`
}

// MarshalJSON implements [json.Marshaler].
func (f Fault) MarshalJSON() ([]byte, error) {
	j := faultJSON{ID: f.ID, Kind: f.Kind, Number: f.Number, Count: f.Count, Code: f.Code, First: f.FirstHost}
	if f.Delay != 0 {
		j.Delay = f.Delay.String()
	}
	if f.Jitter != 0 {
		j.Jitter = f.Jitter.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements [json.Unmarshaler]. Unknown fields are refused, so that a misspelt
// one doesn't make a fault wider than it was meant to be.
func (f *Fault) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	var j faultJSON
	if err := dec.Decode(&j); err != nil {
		return err
	}
	out := Fault{ID: j.ID, Kind: j.Kind, Number: j.Number, Count: j.Count, Code: j.Code, FirstHost: j.First}
	for _, d := range []struct {
		name, text string
		into       *time.Duration
	}{{"delay", j.Delay, &out.Delay}, {"jitter", j.Jitter, &out.Jitter}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.into, err = time.ParseDuration(d.text); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	*f = out
	return nil
}

// immediate reports whether the fault acts once, when it is set.
func (f Fault) immediate() bool {
	switch f.Kind {
	case FaultCut, FaultRestart, FaultKick, FaultLogout, FaultStreamError, FaultHalfOpen, FaultLoseSessions, FaultLoseKeys, FaultNewPhone:
		return true
	}
	return false
}

// numberless reports whether the fault strikes where no number is known.
func (f Fault) numberless() bool {
	switch f.Kind {
	case FaultRefuseConnection, FaultRefuseUpload, FaultRefuseDownload:
		return true
	}
	return false
}

// normalize checks f, brings Number to its digits and fills in default codes.
func (f Fault) normalize() (Fault, error) {
	if !slices.Contains(FaultKinds(), f.Kind) {
		return f, fmt.Errorf("unknown fault kind %q; use one of %v", f.Kind, FaultKinds())
	}
	if f.Number != "" {
		digits, err := parseNumber(f.Number)
		if err != nil {
			return f, err
		}
		if f.numberless() {
			return f, fmt.Errorf("fault %s applies to every client; leave number empty", f.Kind)
		}
		f.Number = "+" + digits
	}
	if f.Count < 0 || f.Delay < 0 || f.Jitter < 0 || f.Code < 0 {
		return f, errors.New("count, code, delay and jitter can't be negative")
	}
	if f.FirstHost && f.Kind != FaultRefuseUpload && f.Kind != FaultRefuseDownload {
		return f, fmt.Errorf("fault %s knows no hosts; leave first_host out", f.Kind)
	}
	switch f.Kind {
	case FaultDelayAck:
		if f.Delay == 0 {
			return f, errors.New(`delay_ack needs a delay such as "500ms"`)
		}
	case FaultDelayUp, FaultDelayDown:
		if f.Delay == 0 && f.Jitter == 0 {
			return f, fmt.Errorf(`%s needs a delay or a jitter, such as "80ms"`, f.Kind)
		}
	case FaultStreamError:
		f.Code = orDefault(f.Code, 500)
	case FaultRefuseLogin:
		if f.Code == 0 {
			return f, errors.New("refuse_login needs a code: 401, 402, 403, 405, 406, 409, 500 or 503")
		}
	case FaultRefuse:
		f.Code = orDefault(f.Code, 463)
	case FaultRefuseConnection:
		f.Code = orDefault(f.Code, 503)
	case FaultRefuseUpload:
		f.Code = orDefault(f.Code, 500)
	case FaultRefuseDownload:
		f.Code = orDefault(f.Code, 404)
	}
	if status := f.Code; f.numberless() && (status < 400 || status > 599) {
		return f, fmt.Errorf("code %d isn't an HTTP error status (400 to 599)", status)
	}
	return f, nil
}

func orDefault(v, fallback int) int {
	if v == 0 {
		return fallback
	}
	return v
}
