package wasim

import (
	"context"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

type group struct{ id types.JID }

func (s *Server) group(types.JID) *group                  { return nil }
func (s *Server) loadGroups(context.Context) error        { return nil }
func (c *conn) iqGroup(n *stanza.Node, _ stanza.Node)     { c.unknownIQ(n, "groups") }
func (c *conn) iqAppState(n *stanza.Node, _ stanza.Node)  { c.unknownIQ(n, "app state") }
func (c *conn) routeGroup(*stanza.Node, *group) []handled { return nil }

func (p *Phone) decryptGroup(b *durable.Batch, d *companion, group types.JID, ciphertext []byte) ([]byte, error) {
	codecs := serializer()
	name := protocol.NewSenderKeyName(group.String(), d.address())
	msg, err := protocol.NewSenderKeyMessageFromBytes(ciphertext, codecs.SenderKeyMessage)
	if err != nil {
		return nil, err
	}
	builder := groups.NewGroupSessionBuilder(signalStore{p, b}, codecs)
	return groups.NewGroupCipher(builder, name, signalStore{p, b}).Decrypt(context.Background(), msg)
}

func (p *Phone) learnSenderKey(b *durable.Batch, d *companion, m *waE2E.SenderKeyDistributionMessage) error {
	codecs := serializer()
	msg, err := protocol.NewSenderKeyDistributionMessageFromBytes(m.GetAxolotlSenderKeyDistributionMessage(), codecs.SenderKeyDistributionMessage)
	if err != nil {
		return err
	}
	builder := groups.NewGroupSessionBuilder(signalStore{p, b}, codecs)
	return builder.Process(context.Background(), protocol.NewSenderKeyName(m.GetGroupID(), d.address()), msg)
}
