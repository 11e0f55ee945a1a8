package wasim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// companion is a linked device of a phone.
type companion struct {
	phone *Phone
	key   string // "digits:device", its name in the store

	mu      sync.Mutex // a leaf lock: nothing else is locked under it, except a conn's
	rec     companionRecord
	oneTime []publicKey // uploaded one-time keys that nobody has taken yet
	conn    *conn       // the live connection, nil while offline
}

// companionRecord is what is kept of a companion.
type companionRecord struct {
	Device       int       `json:"device"`
	Platform     string    `json:"platform"`
	LinkedAt     time.Time `json:"linked_at"`
	Noise        []byte    `json:"noise"`    // public
	Identity     []byte    `json:"identity"` // public
	Registration uint32    `json:"registration"`
	Signed       publicKey `json:"signed"`
	// Confirmed is set when the companion has shown that it knows of its linking. It's kept
	// before that, so that no crash leaves a companion linked in its own eyes only.
	Confirmed bool `json:"confirmed"`
}

// publicKey is a prekey as uploaded.
type publicKey struct {
	ID        uint32 `json:"id"`
	Key       []byte `json:"key"`
	Signature []byte `json:"signature,omitempty"`
}

func (d *companion) jid() types.JID {
	return types.JID{User: d.phone.digits, Device: uint16(d.rec.Device), Server: types.DefaultUserServer}
}

func (d *companion) lid() types.JID {
	return types.JID{User: d.phone.lid, Device: uint16(d.rec.Device), Server: types.HiddenUserServer}
}

// address names the companion in the Signal sessions of phones. Whatever a companion is addressed
// by on the wire, phones know it by its number.
func (d *companion) address() *protocol.SignalAddress { return d.jid().SignalAddress() }

func (d *companion) snapshot() companionRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rec
}

func (d *companion) save(b *durable.Batch) error {
	raw, err := json.Marshal(d.snapshot())
	if err != nil {
		return fmt.Errorf("marshal companion: %w", err)
	}
	b.Put(bucketCompanion, d.key, raw)
	return nil
}

// attach makes c the companion's live connection and returns the one before.
func (d *companion) attach(c *conn) (old *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, d.conn = d.conn, c
	d.phone.srv.changes.ring()
	return old
}

func (d *companion) detach(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == c {
		d.conn = nil
		d.phone.srv.changes.ring()
	}
}

func (d *companion) live() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// bundle returns keys to start a session with the companion and takes a one-time key for it, when
// one is left. It reports how many are left.
func (d *companion) bundle(b *durable.Batch) (rec companionRecord, oneTime *publicKey, left int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.oneTime) > 0 {
		k := d.oneTime[0]
		d.oneTime = d.oneTime[1:]
		oneTime = &k
		b.Delete(bucketOneTime, oneTimeKey(d.key, k.ID))
	}
	return d.rec, oneTime, len(d.oneTime)
}

// upload replaces the companion's signed key and adds one-time keys.
func (d *companion) upload(registration uint32, signed publicKey, keys []publicKey, b *durable.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rec.Registration, d.rec.Signed = registration, signed
	have := make(map[uint32]bool, len(d.oneTime))
	for _, k := range d.oneTime {
		have[k.ID] = true
	}
	for _, k := range keys {
		if !have[k.ID] {
			d.oneTime = append(d.oneTime, k)
			b.Put(bucketOneTime, oneTimeKey(d.key, k.ID), k.Key)
		}
	}
}

// publicKeys returns what the server knows of the companion's keys.
func (d *companion) publicKeys() (companionRecord, []publicKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rec, slices.Clone(d.oneTime)
}

func (d *companion) keysLeft() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.oneTime)
}

func oneTimeKey(device string, id uint32) string {
	return device + "/" + strconv.FormatUint(uint64(id), 10)
}

// signalBundle converts a companion's keys for libsignal.
func signalBundle(rec companionRecord, oneTime *publicKey) (*prekey.Bundle, error) {
	if len(rec.Identity) != 32 || len(rec.Signed.Key) != 32 || len(rec.Signed.Signature) != 64 {
		return nil, fmt.Errorf("companion %d has no usable keys", rec.Device)
	}
	id := optional.NewEmptyUint32()
	var key ecc.ECPublicKeyable
	if oneTime != nil {
		id = optional.NewOptionalUint32(oneTime.ID)
		key = ecc.NewDjbECPublicKey([32]byte(oneTime.Key))
	}
	return prekey.NewBundle(rec.Registration, uint32(rec.Device), id, rec.Signed.ID, key,
		ecc.NewDjbECPublicKey([32]byte(rec.Signed.Key)), [64]byte(rec.Signed.Signature),
		identity.NewKey(ecc.NewDjbECPublicKey([32]byte(rec.Identity)))), nil
}

// keyNode presents a prekey as a stanza child.
func keyNode(k publicKey) stanza.Node {
	n := stanza.Node{Tag: "key", Content: []stanza.Node{
		{Tag: "id", Content: stanza.KeyID(k.ID)},
		{Tag: "value", Content: k.Key},
	}}
	if k.Signature != nil {
		n.Tag = "skey"
		n.Content = append(n.GetChildren(), stanza.Node{Tag: "signature", Content: k.Signature})
	}
	return n
}

// parseKeyNode reads a prekey from a stanza child.
func parseKeyNode(n stanza.Node) (publicKey, error) {
	id, ok := stanza.ParseKeyID(stanza.Child(n, "id"))
	key := stanza.Child(n, "value")
	if !ok || len(key) != 32 {
		return publicKey{}, fmt.Errorf("malformed %s", n.Tag)
	}
	k := publicKey{ID: id, Key: key}
	if n.Tag == "skey" {
		if k.Signature = stanza.Child(n, "signature"); len(k.Signature) != 64 {
			return publicKey{}, fmt.Errorf("malformed %s signature", n.Tag)
		}
	}
	return k, nil
}
