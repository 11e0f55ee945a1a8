package wasim

import (
	"bytes"
	"context"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// A phone and its companions talk to each other in peer messages, which nobody sees: keys of the app state,
// history, and requests for either (whatsmeow message.go, handleProtocolMessage).

// greetLocked sends a new companion what a phone has for it.
func (p *Phone) greetLocked(e *effects, d *companion) error {
	if err := p.syncNameLocked(e, d); err != nil {
		return err
	}
	if err := p.shareKeyLocked(e, d); err != nil {
		return err
	}
	return p.sendHistoryLocked(e, d)
}

// greetLate greets the first companion that logs in to a phone from a folder of before phones kept app state.
// Others ask for the key themselves when they need it.
func (p *Phone) greetLate(ctx context.Context, d *companion) error {
	p.mu.Lock()
	greeted := p.syncKey.Data != nil
	p.mu.Unlock()
	if greeted {
		return nil
	}
	var e effects
	return p.update(ctx, &e, func() error { return p.greetLocked(&e, d) })
}

// shareKeyLocked hands a companion the key of the app state.
func (p *Phone) shareKeyLocked(e *effects, d *companion) error {
	key, err := p.syncKeyLocked(e)
	if err != nil {
		return err
	}
	return p.peerLocked(e, d, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(),
		AppStateSyncKeyShare: &waE2E.AppStateSyncKeyShare{Keys: []*waE2E.AppStateSyncKey{{
			KeyID: &waE2E.AppStateSyncKeyId{KeyID: key.ID},
			KeyData: &waE2E.AppStateSyncKeyData{
				KeyData:     key.Data,
				Fingerprint: &waE2E.AppStateSyncKeyFingerprint{RawID: proto.Uint32(1), CurrentIndex: proto.Uint32(1)},
				Timestamp:   proto.Int64(d.snapshot().LinkedAt.UnixMilli()),
			},
		}}},
	})
}

// peerLocked queues a peer message for a companion.
func (p *Phone) peerLocked(e *effects, d *companion, content *waE2E.ProtocolMessage) error {
	plain, err := proto.Marshal(&waE2E.Message{ProtocolMessage: content})
	if err != nil {
		return fmt.Errorf("marshal peer message: %w", err)
	}
	m := sentMessage{ID: newID(), Peer: true, Plain: plain, At: p.srv.now()}
	if err = p.rememberLocked(&m, &e.batch); err != nil {
		return err
	}
	return p.deliverPeerLocked(e, d, m, 0)
}

func (p *Phone) deliverPeerLocked(e *effects, d *companion, m sentMessage, retry int) error {
	enc, err := p.sealLocked(e, d, m.Plain)
	if err != nil {
		return err
	}
	if retry > 0 {
		enc.Attrs["count"] = retry
	}
	e.queue(d, 0, "message", m.ID, "", stanza.Node{Tag: "message", Attrs: stanza.Attrs{
		"id": m.ID, "from": p.JID(), "type": "text", "category": "peer", "t": m.At.Unix(),
	}, Content: []stanza.Node{enc}})
	return nil
}

// answerPeerLocked does what a companion asks its phone for.
func (p *Phone) answerPeerLocked(e *effects, d *companion, msg *waE2E.Message) error {
	content := msg.GetProtocolMessage()
	switch content.GetType() {
	case waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST:
		key, err := p.syncKeyLocked(e)
		if err != nil {
			return err
		}
		for _, id := range content.GetAppStateSyncKeyRequest().GetKeyIDs() {
			if bytes.Equal(id.GetKeyID(), key.ID) {
				return p.shareKeyLocked(e, d)
			}
		}
	case waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE:
		request := content.GetPeerDataOperationRequestMessage()
		if request.GetPeerDataOperationRequestType() == waE2E.PeerDataOperationRequestType_HISTORY_SYNC_ON_DEMAND {
			return p.sendOlderLocked(e, d, request.GetHistorySyncOnDemandRequest())
		}
	}
	return nil
}
