package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

const (
	// keptMessages bounds the log of each phone in the emulator; it is read several
	// times a second.
	keptMessages = 2000
	readEvery    = 250 * time.Millisecond
	// latency of the network: a step of a message takes that long.
	latency = 5 * time.Millisecond
)

func accountNumber(i int) string  { return fmt.Sprintf("+1484%07d", 1000000+i) }
func customerNumber(i int) string { return fmt.Sprintf("+1610%07d", 2000000+i) }

// network is the WhatsApp side: the emulator with its phones, and what an
// onlooker notes of it.
type network struct {
	sim       *wasim.Server
	accounts  []string // numbers
	customers []string
	answers   map[string]string   // number of a phone that answers every message → its answer
	groups    []string            // JIDs
	members   map[string][]string // group → numbers
	in        map[string][]string // account or customer → its groups

	wires wires

	mu   sync.Mutex
	logs map[string]*phoneLog
	err  error // of reading a log
}

// phoneLog is what was read of a phone's log.
type phoneLog struct {
	seen  int64 // Seq of the last message read
	shown []shown
}

// openNetwork starts the emulator with its phones.
func openNetwork(ctx context.Context, accounts, customers int) (*network, error) {
	sim, err := wasim.Start(ctx, wasim.Options{MaxMessages: keptMessages, Latency: latency})
	if err != nil {
		return nil, err
	}
	n := &network{
		sim: sim, answers: map[string]string{}, members: map[string][]string{}, in: map[string][]string{}, logs: map[string]*phoneLog{},
		wires: wires{byID: map[string]wire{}},
	}
	sim.Trace(n.wires.note)
	add := func(list *[]string, number, answer string) {
		if err == nil {
			_, err = sim.AddPhone(ctx, wasim.PhoneOptions{Number: number, Name: "Phone " + number[8:], AutoReply: answer})
		}
		*list = append(*list, number)
		n.logs[number] = &phoneLog{}
	}
	for i := range accounts {
		add(&n.accounts, accountNumber(i), "")
	}
	for i := range customers {
		answer := ""
		if i%4 == 0 {
			answer = "Thank you. This is " + customerNumber(i) + "."
			n.answers[customerNumber(i)] = answer
		}
		add(&n.customers, customerNumber(i), answer)
	}
	if err != nil {
		return nil, errors.Join(err, sim.Close())
	}
	return n, nil
}

func (n *network) phone(number string) *wasim.Phone {
	p, _ := n.sim.Phone(number)
	return p
}

// makeGroups makes groups of three accounts and two customers each.
func (n *network) makeGroups(ctx context.Context, count int) error {
	for i := range count {
		creator := n.accounts[3*i%len(n.accounts)]
		rest := []string{
			n.accounts[(3*i+1)%len(n.accounts)], n.accounts[(3*i+2)%len(n.accounts)],
			n.customers[2*i%len(n.customers)], n.customers[(2*i+1)%len(n.customers)],
		}
		jid, err := n.phone(creator).CreateGroup(ctx, fmt.Sprintf("Group %d", i), rest...)
		if err != nil {
			return err
		}
		group := jid.String()
		n.groups = append(n.groups, group)
		n.members[group] = append([]string{creator}, rest...)
		for _, m := range n.members[group] {
			n.in[m] = append(n.in[m], group)
		}
	}
	return nil
}

// watch reads the phones' logs until ctx ends. fresh is told of each new message.
func (n *network) watch(ctx context.Context, fresh func(shown)) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		n.read(fresh)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// read takes in what is new in the phones' logs.
func (n *network) read(fresh func(shown)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for number, log := range n.logs {
		for {
			page, err := n.phone(number).Received(log.seen, 1000)
			if err != nil {
				n.err = errors.Join(n.err, err)
				return
			}
			for i := range page {
				m := &page[i]
				log.seen = m.Seq
				if m.FromMe || m.Kind != "text" && m.Kind != "media" {
					continue
				}
				s := shown{Phone: number, From: m.From, ID: m.ID, Text: m.Text, Group: m.Group != "", Seq: m.Seq}
				if m.Media != nil {
					s.SHA256, s.NoFile = m.Media.SHA256, m.Media.Error
				}
				log.shown = append(log.shown, s)
				if fresh != nil {
					fresh(s)
				}
			}
			if len(page) < 1000 {
				break
			}
		}
	}
}

// all gives everything that the phones have shown.
func (n *network) all() ([]shown, error) {
	n.read(nil)
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []shown
	for _, log := range n.logs {
		all = append(all, log.shown...)
	}
	return all, n.err
}

// wires notes what goes over the wire, by message id.
type wires struct {
	mu    sync.Mutex
	place int64
	byID  map[string]wire
}

func (w *wires) note(e wasim.TraceEvent) {
	id, _ := e.Node.Attrs["id"].(string)
	class, _ := e.Node.Attrs["class"].(string)
	kind, _ := e.Node.Attrs["type"].(string)
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.byID[id]
	switch {
	case e.Direction == wasim.FromClient && e.Node.Tag == "message":
		w.place++
		if got.Sends++; got.First == 0 {
			got.First = w.place
		}
	case e.Direction == wasim.ToClient && e.Node.Tag == "ack" && class == "message":
		if _, refused := e.Node.Attrs["error"]; refused {
			got.Nacks++
		} else {
			got.Acks++
		}
	case e.Direction == wasim.ToClient && e.Node.Tag == "receipt" && kind == "retry":
		got.Retries++
	default:
		return
	}
	w.byID[id] = got
}

func (w *wires) all() map[string]wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.byID)
}

// answer is a text that answers a message of another.
func answer(text, id, author string) *waE2E.Message {
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: &text, ContextInfo: &waE2E.ContextInfo{
		StanzaID: &id, Participant: &author, QuotedMessage: &waE2E.Message{Conversation: proto.String("…")},
	}}}
}

// key names a message of somebody else, or with fromMe an own one.
func key(id string, fromMe bool, chat string) *waCommon.MessageKey {
	return &waCommon.MessageKey{ID: &id, FromMe: &fromMe, RemoteJID: &chat}
}

func react(id, chat, emoji string) *waE2E.Message {
	return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: key(id, false, chat), Text: &emoji, SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}
}

func edit(id, chat, text string) *waE2E.Message {
	return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key(id, true, chat),
		EditedMessage: &waE2E.Message{Conversation: &text}, TimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}}}
}

func takeBack(id, chat string) *waE2E.Message {
	return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key(id, true, chat)}}
}

// jidOf is the address of a number.
func jidOf(number string) string { return types.NewJID(number[1:], types.DefaultUserServer).String() }
