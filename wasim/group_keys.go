package wasim

import (
	"context"
	"fmt"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
)

// senderKeyName names the key under which a companion encrypts for a group.
func senderKeyName(group string, d *companion) *protocol.SenderKeyName {
	return protocol.NewSenderKeyName(group, d.address())
}

// decryptGroup decrypts a message that was encrypted once for all members of a group.
func (p *Phone) decryptGroup(b *durable.Batch, d *companion, group types.JID, ciphertext []byte) ([]byte, error) {
	codecs, keys := serializer(), signalStore{p, b}
	msg, err := protocol.NewSenderKeyMessageFromBytes(ciphertext, codecs.SenderKeyMessage)
	if err != nil {
		return nil, fmt.Errorf("parse group message: %w", err)
	}
	cipher := groups.NewGroupCipher(groups.NewGroupSessionBuilder(keys, codecs), senderKeyName(group.String(), d), keys)
	return cipher.Decrypt(context.Background(), msg)
}

// learnSenderKey takes the key that a companion will encrypt for a group with.
func (p *Phone) learnSenderKey(b *durable.Batch, d *companion, m *waE2E.SenderKeyDistributionMessage) error {
	codecs := serializer()
	msg, err := protocol.NewSenderKeyDistributionMessageFromBytes(
		m.GetAxolotlSenderKeyDistributionMessage(), codecs.SenderKeyDistributionMessage)
	if err != nil {
		return fmt.Errorf("parse sender key: %w", err)
	}
	builder := groups.NewGroupSessionBuilder(signalStore{p, b}, codecs)
	if err = builder.Process(context.Background(), senderKeyName(m.GetGroupID(), d), msg); err != nil {
		return fmt.Errorf("learn sender key: %w", err)
	}
	return nil
}

// ownSenderKey names the key under which the phone itself encrypts for a group. Companions know the
// phone by the address that its messages come from.
func (p *Phone) ownSenderKey(group string) *protocol.SenderKeyName {
	return protocol.NewSenderKeyName(group, p.LID().SignalAddress())
}

// shareSenderKey returns what a companion needs to read what the phone writes to a group from now on.
// The phone's first call for a group makes the key.
func (p *Phone) shareSenderKey(b *durable.Batch, group string) (*waE2E.SenderKeyDistributionMessage, error) {
	builder := groups.NewGroupSessionBuilder(signalStore{p, b}, serializer())
	msg, err := builder.Create(context.Background(), p.ownSenderKey(group))
	if err != nil {
		return nil, fmt.Errorf("make sender key: %w", err)
	}
	return &waE2E.SenderKeyDistributionMessage{
		GroupID: &group, AxolotlSenderKeyDistributionMessage: msg.Serialize(),
	}, nil
}

// encryptGroup encrypts once for all members of a group, under a key that must have been made.
func (p *Phone) encryptGroup(b *durable.Batch, group string, plain []byte) ([]byte, error) {
	codecs, keys := serializer(), signalStore{p, b}
	cipher := groups.NewGroupCipher(groups.NewGroupSessionBuilder(keys, codecs), p.ownSenderKey(group), keys)
	msg, err := cipher.Encrypt(context.Background(), plain)
	if err != nil {
		return nil, fmt.Errorf("encrypt for group: %w", err)
	}
	return msg.(*protocol.SenderKeyMessage).SignedSerialize(), nil
}

// forgetSenderKey makes the phone use a new key for a group from now on, as it must when a member has
// left: who is gone can't read on.
func (p *Phone) forgetSenderKey(b *durable.Batch, group string) {
	key := senderKeyKey(p.ownSenderKey(group))
	if _, ok := p.signal.senderKeys[key]; ok {
		delete(p.signal.senderKeys, key)
		b.Delete(bucketSenderKey, p.digits+"/"+key)
	}
	delete(p.keySent, group)
}
