package wasim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.mau.fi/libsignal/ecc"
	grouprecord "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/serialize"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/state/store"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
)

const djbType = ecc.DjbType

// serializer is libsignal's stateless set of codecs.
var serializer = sync.OnceValue(serialize.NewProtoBufSerializer)

// signalState is a phone's end-to-end encryption state, guarded by Phone.mu. Values are serialised
// records, as they are kept.
type signalState struct {
	sessions   map[string][]byte
	senderKeys map[string][]byte
	oneTime    map[uint32][32]byte // private one-time keys handed out and not used yet
}

// signalStore gives libsignal access to a phone's state for the length of one operation, and notes
// changes in a batch. The phone's lock must be held.
type signalStore struct {
	p *Phone
	b *durable.Batch
}

var (
	_ store.SignalProtocol = signalStore{}

	errUnused = errors.New("not used by phones")
)

// encryptFor encrypts for a companion, whose session must exist.
func (p *Phone) encryptFor(b *durable.Batch, d *companion, plain []byte) (kind string, ciphertext []byte, err error) {
	addr := d.address()
	builder := session.NewBuilderFromSignal(signalStore{p, b}, addr, serializer())
	msg, err := session.NewCipher(builder, addr).Encrypt(context.Background(), plain)
	if err != nil {
		return "", nil, fmt.Errorf("encrypt: %w", err)
	}
	if msg.Type() == protocol.PREKEY_TYPE {
		return "pkmsg", msg.Serialize(), nil
	}
	return "msg", msg.Serialize(), nil
}

// startSession begins a session with a companion from its uploaded keys.
func (p *Phone) startSession(b *durable.Batch, d *companion, rec companionRecord, oneTime *publicKey) error {
	bundle, err := signalBundle(rec, oneTime)
	if err != nil {
		return err
	}
	builder := session.NewBuilderFromSignal(signalStore{p, b}, d.address(), serializer())
	if err = builder.ProcessBundle(context.Background(), bundle); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	return nil
}

// decryptFrom decrypts a message of a companion.
func (p *Phone) decryptFrom(b *durable.Batch, d *companion, kind string, ciphertext []byte) ([]byte, error) {
	addr, codecs := d.address(), serializer()
	builder := session.NewBuilderFromSignal(signalStore{p, b}, addr, codecs)
	cipher := session.NewCipher(builder, addr)
	switch kind {
	case "pkmsg":
		msg, err := protocol.NewPreKeySignalMessageFromBytes(ciphertext, codecs.PreKeySignalMessage, codecs.SignalMessage)
		if err != nil {
			return nil, fmt.Errorf("parse first message: %w", err)
		}
		return cipher.DecryptMessage(context.Background(), msg)
	case "msg":
		msg, err := protocol.NewSignalMessageFromBytes(ciphertext, codecs.SignalMessage)
		if err != nil {
			return nil, fmt.Errorf("parse message: %w", err)
		}
		return cipher.Decrypt(context.Background(), msg)
	}
	return nil, fmt.Errorf("unknown kind of encryption %q", kind)
}

func (s signalStore) GetIdentityKeyPair() *identity.KeyPair {
	return identity.NewKeyPair(
		identity.NewKey(ecc.NewDjbECPublicKey(*s.p.keys.Pub)), ecc.NewDjbECPrivateKey(*s.p.keys.Priv))
}

func (s signalStore) GetLocalRegistrationID() uint32 { return s.p.registration }

// SaveIdentity and IsTrustedIdentity: phones trust whatever identity a companion has, since the
// server that hands it out is this one.
func (s signalStore) SaveIdentity(context.Context, *protocol.SignalAddress, *identity.Key) error {
	return nil
}

func (s signalStore) IsTrustedIdentity(context.Context, *protocol.SignalAddress, *identity.Key) (bool, error) {
	return true, nil
}

func (s signalStore) LoadPreKey(_ context.Context, id uint32) (*record.PreKey, error) {
	private, ok := s.p.signal.oneTime[id]
	if !ok {
		return nil, nil
	}
	return record.NewPreKey(id, ecc.CreateKeyPair(private[:]), serializer().PreKeyRecord), nil
}

func (s signalStore) RemovePreKey(_ context.Context, id uint32) error {
	if _, ok := s.p.signal.oneTime[id]; ok {
		delete(s.p.signal.oneTime, id)
		s.b.Delete(bucketPhoneKey, oneTimeKey(s.p.digits, id))
	}
	return nil
}

func (s signalStore) LoadSession(_ context.Context, addr *protocol.SignalAddress) (*record.Session, error) {
	codecs := serializer()
	raw, ok := s.p.signal.sessions[addr.String()]
	if !ok {
		return record.NewSession(codecs.Session, codecs.State), nil
	}
	return record.NewSessionFromBytes(raw, codecs.Session, codecs.State)
}

func (s signalStore) StoreSession(_ context.Context, addr *protocol.SignalAddress, r *record.Session) error {
	raw := mend(s.p.signal.sessions[addr.String()], r.Serialize())
	s.p.signal.sessions[addr.String()] = raw
	s.b.Put(bucketSession, s.p.digits+"/"+addr.String(), raw)
	return nil
}

func (s signalStore) ContainsSession(_ context.Context, addr *protocol.SignalAddress) (bool, error) {
	_, ok := s.p.signal.sessions[addr.String()]
	return ok, nil
}

func (s signalStore) LoadSignedPreKey(_ context.Context, id uint32) (*record.SignedPreKey, error) {
	if id != s.p.signed.KeyID {
		return nil, nil
	}
	pair := ecc.NewECKeyPair(ecc.NewDjbECPublicKey(*s.p.signed.Pub), ecc.NewDjbECPrivateKey(*s.p.signed.Priv))
	return record.NewSignedPreKey(id, 0, pair, *s.p.signed.Signature, serializer().SignedPreKeyRecord), nil
}

func (s signalStore) LoadSenderKey(_ context.Context, name *protocol.SenderKeyName) (*grouprecord.SenderKey, error) {
	codecs := serializer()
	raw, ok := s.p.signal.senderKeys[senderKeyKey(name)]
	if !ok {
		return grouprecord.NewSenderKey(codecs.SenderKeyRecord, codecs.SenderKeyState), nil
	}
	return grouprecord.NewSenderKeyFromBytes(raw, codecs.SenderKeyRecord, codecs.SenderKeyState)
}

func (s signalStore) StoreSenderKey(_ context.Context, name *protocol.SenderKeyName, r *grouprecord.SenderKey) error {
	raw := r.Serialize()
	s.p.signal.senderKeys[senderKeyKey(name)] = raw
	s.b.Put(bucketSenderKey, s.p.digits+"/"+senderKeyKey(name), raw)
	return nil
}

func senderKeyKey(name *protocol.SenderKeyName) string {
	return name.GroupID() + "/" + name.Sender().String()
}

func (s signalStore) StorePreKey(context.Context, uint32, *record.PreKey) error { return errUnused }
func (s signalStore) ContainsPreKey(context.Context, uint32) (bool, error)      { return false, errUnused }
func (s signalStore) GetSubDeviceSessions(context.Context, string) ([]uint32, error) {
	return nil, errUnused
}
func (s signalStore) DeleteSession(context.Context, *protocol.SignalAddress) error { return errUnused }
func (s signalStore) DeleteAllSessions(context.Context) error                      { return errUnused }
func (s signalStore) LoadSignedPreKeys(context.Context) ([]*record.SignedPreKey, error) {
	return nil, errUnused
}
func (s signalStore) StoreSignedPreKey(context.Context, uint32, *record.SignedPreKey) error {
	return errUnused
}
func (s signalStore) ContainsSignedPreKey(context.Context, uint32) (bool, error) {
	return false, errUnused
}
func (s signalStore) RemoveSignedPreKey(context.Context, uint32) error { return errUnused }
