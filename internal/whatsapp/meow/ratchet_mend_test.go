package meow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	signal "go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// correspondent is a device that has a Signal session with another one.
type correspondent struct {
	t      *testing.T
	device *store.Device
	to     *protocol.SignalAddress
	inbox  []protocol.CiphertextMessage
	wrote  int // messages
	read   int
}

// newCorrespondent makes a device as a connector has it.
func newCorrespondent(t *testing.T, user, peer string) *correspondent {
	t.Helper()
	keys, err := openSessions(t.Context(), Options{DataDir: t.TempDir()}, libraryLogger{slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.close() })
	jid := types.JID{User: user, Device: 1, Server: types.DefaultUserServer}
	fresh := keys.container.NewDevice()
	fresh.ID = &jid
	fresh.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignatureKey: make([]byte, 32), AccountSignature: make([]byte, 64), DeviceSignature: make([]byte, 64),
	}
	if err := keys.container.PutDevice(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	d, err := keys.device(t.Context(), jid)
	if err != nil {
		t.Fatal(err)
	}
	to := types.JID{User: peer, Device: 1, Server: types.DefaultUserServer}
	return &correspondent{t: t, device: d, to: to.SignalAddress()}
}

func (c *correspondent) builder() *signal.Builder {
	return signal.NewBuilderFromSignal(c.device, c.to, store.SignalProtobufSerializer)
}

// begin begins a session from the keys of the other device.
func (c *correspondent) begin(other *correspondent) {
	c.t.Helper()
	d := other.device
	oneTime, err := d.PreKeys.GenOnePreKey(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	bundle := prekey.NewBundle(d.RegistrationID, 1, optional.NewOptionalUint32(oneTime.KeyID), d.SignedPreKey.KeyID,
		ecc.NewDjbECPublicKey(*oneTime.Pub), ecc.NewDjbECPublicKey(*d.SignedPreKey.Pub), *d.SignedPreKey.Signature,
		identity.NewKey(ecc.NewDjbECPublicKey(*d.IdentityKey.Pub)))
	if err := c.builder().ProcessBundle(c.t.Context(), bundle); err != nil {
		c.t.Fatal(err)
	}
}

func (c *correspondent) write(to *correspondent) {
	c.t.Helper()
	m, err := signal.NewCipher(c.builder(), c.to).Encrypt(c.t.Context(), fmt.Appendf(nil, "message %d", c.wrote))
	if err != nil {
		c.t.Fatal(err)
	}
	c.wrote++
	to.inbox = append(to.inbox, m)
}

// take decrypts the next message as the library does.
func (c *correspondent) take() error {
	m := c.inbox[0]
	c.inbox = c.inbox[1:]
	codec := store.SignalProtobufSerializer
	var plain []byte
	err := c.device.EventBuffer.DoDecryptionTxn(c.t.Context(), func(ctx context.Context) (err error) {
		cipher := signal.NewCipher(c.builder(), c.to)
		if m.Type() == protocol.PREKEY_TYPE {
			first, parseErr := protocol.NewPreKeySignalMessageFromBytes(m.Serialize(), codec.PreKeySignalMessage, codec.SignalMessage)
			if parseErr != nil {
				return parseErr
			}
			plain, err = cipher.DecryptMessage(ctx, first)
			return err
		}
		next, parseErr := protocol.NewSignalMessageFromBytes(m.Serialize(), codec.SignalMessage)
		if parseErr != nil {
			return parseErr
		}
		plain, err = cipher.Decrypt(ctx, next)
		return err
	})
	if want := fmt.Sprintf("message %d", c.read); err == nil && string(plain) != want {
		err = errors.New("not what was written")
	}
	c.read++
	return err
}

// Two devices that begin a session with each other at the same time can always
// read what the other one writes.
func TestSessionsThatCrossStayReadable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 0))
			a, b := newCorrespondent(t, "14840000001", "14840000002"), newCorrespondent(t, "14840000002", "14840000001")
			a.begin(b)
			b.begin(a)
			for step := range 120 {
				from, to := a, b
				if rnd.IntN(2) == 0 {
					from, to = b, a
				}
				if len(from.inbox) == 0 || rnd.IntN(2) == 0 {
					from.write(to)
					continue
				}
				if err := from.take(); err != nil {
					t.Fatalf("step %d: a message can't be read: %v", step, err)
				}
			}
		})
	}
}
