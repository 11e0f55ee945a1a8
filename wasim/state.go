package wasim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow/util/keys"
)

// load brings back what a folder holds.
func (s *Server) load(ctx context.Context) error {
	errMalformed := errors.New("malformed entry")
	steps := []struct {
		bucket string
		read   func(p *Phone, rest string, value []byte) error
	}{
		{bucketCompanion, func(p *Phone, _ string, value []byte) error { return s.loadCompanion(p, value) }},
		{bucketOneTime, func(p *Phone, rest string, value []byte) error {
			device, number, err := cutID(rest)
			d := p.companions[device]
			if err != nil || d == nil {
				return err // left behind by a companion that is gone
			}
			d.oneTime = append(d.oneTime, publicKey{ID: number, Key: value})
			return nil
		}},
		{bucketPhoneKey, func(p *Phone, rest string, value []byte) error {
			id, err := strconv.ParseUint(rest, 10, 32)
			if err != nil || len(value) != 32 {
				return errMalformed
			}
			p.signal.oneTime[uint32(id)] = [32]byte(value)
			return nil
		}},
		{bucketSession, func(p *Phone, rest string, value []byte) error {
			p.signal.sessions[rest] = value
			return nil
		}},
		{bucketSenderKey, func(p *Phone, rest string, value []byte) error {
			p.signal.senderKeys[rest] = value
			return nil
		}},
		{bucketSent, func(p *Phone, _ string, value []byte) error {
			var m sentMessage
			if err := json.Unmarshal(value, &m); err != nil {
				return err
			}
			p.sent = append(p.sent, m) // keys are in order of sending
			p.sentSeq = m.Seq
			return nil
		}},
		{bucketPast, func(p *Phone, _ string, value []byte) error {
			var r pastRecord
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			p.past = append(p.past, r)
			return nil
		}},
		{bucketAppState, func(p *Phone, rest string, value []byte) error { return p.loadPatch(rest, value) }},
	}
	if err := s.store.Load(ctx, bucketPhone, s.loadPhone); err != nil {
		return err
	}
	for _, step := range steps {
		err := s.store.Load(ctx, step.bucket, func(key string, value []byte) error {
			at := strings.IndexAny(key, ":/")
			if at < 0 {
				return errMalformed
			}
			p := s.phones[key[:at]]
			if p == nil {
				return errMalformed
			}
			return step.read(p, key[at+1:], value)
		})
		if err != nil {
			return err
		}
	}
	return s.loadGroups(ctx)
}

func (s *Server) loadPhone(digits string, value []byte) error {
	var r phoneRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	if len(r.Identity) != 32 || len(r.SignedKey) != 32 || len(r.SignedSig) != 64 {
		return errors.New("malformed keys")
	}
	p := newPhone(s, digits)
	p.registration, p.lastDevice = r.Registration, r.LastDevice
	p.setOptions(r.Options)
	p.syncKey, p.picture = r.SyncKey, r.Picture
	p.blocked.Store(&r.Blocked)
	p.reachOut.Store(r.ReachOut)
	p.keys = keys.NewKeyPairFromPrivateKey([32]byte(r.Identity))
	signature := [64]byte(r.SignedSig)
	p.signed = &keys.PreKey{
		KeyPair: *keys.NewKeyPairFromPrivateKey([32]byte(r.SignedKey)), KeyID: r.SignedID, Signature: &signature,
	}
	_, err := s.register(p)
	return err
}

func (s *Server) loadCompanion(p *Phone, value []byte) error {
	var r companionRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	d := &companion{phone: p, key: deviceKey(p.digits, r.Device), rec: r}
	p.companions[r.Device] = d
	p.lastDevice = max(p.lastDevice, r.Device)
	return nil
}

// cutID splits "device/id".
func cutID(s string) (device int, id uint32, err error) {
	left, right, ok := strings.Cut(s, "/")
	if !ok {
		return 0, 0, fmt.Errorf("malformed key %q", s)
	}
	device, err = strconv.Atoi(left)
	if err != nil {
		return 0, 0, fmt.Errorf("malformed key %q", s)
	}
	n, err := strconv.ParseUint(right, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("malformed key %q", s)
	}
	return device, uint32(n), nil
}
