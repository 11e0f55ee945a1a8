package wasim

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/attachment"
)

// HistoryMode says how a phone passes its history on to a client that is linked to it.
type HistoryMode string

// The modes of [PhoneOptions]. Real phones always send history.
const (
	// HistoryNone sends none.
	HistoryNone HistoryMode = ""
	// HistoryInline sends it inside the notification, but what follows the latest messages of
	// each chat as with HistoryExternal.
	HistoryInline HistoryMode = "inline"
	// HistoryExternal sends it as media files, which the client downloads and deletes.
	HistoryExternal HistoryMode = "external"
)

// PastMessage is a message from before a client was linked, given to [Phone.AddHistory].
type PastMessage struct {
	Chat      string         // a number, or a group's JID
	From      string         // in a group: the number of the member who wrote it
	FromMe    bool           // the phone's owner wrote it
	ID        string         // drawn when empty
	Message   *waE2E.Message // its content
	Text      string         // in place of a Message that is only a text
	Timestamp time.Time      // kept in whole seconds

	Unread    bool                        // somebody else wrote it, and the phone's owner has not read it
	Status    waWeb.WebMessageInfo_Status // how far it has come when FromMe; READ when it is the zero value
	Reactions []PastReaction              // that it has got
}

// PastReaction is an emoji that a PastMessage has got.
type PastReaction struct {
	From      string    `json:"from,omitempty"` // in a group: the number of the member who gave it
	FromMe    bool      `json:"from_me,omitempty"`
	Emoji     string    `json:"emoji"`
	Timestamp time.Time `json:"timestamp"` // kept in milliseconds
}

// pastRecord is a PastMessage as it is kept.
type pastRecord struct {
	Chat   string `json:"chat"` // digits, or a group's JID
	From   string `json:"from,omitempty"`
	FromMe bool   `json:"from_me,omitempty"`
	ID     string `json:"id"`
	Plain  []byte `json:"plain"`
	Time   int64  `json:"time"` // Unix seconds

	Unread    bool                        `json:"unread,omitempty"`
	Status    waWeb.WebMessageInfo_Status `json:"status,omitempty"`
	Reactions []PastReaction              `json:"reactions,omitempty"`
}

// maxPast bounds the scripted history of a phone, and maxHistory how much of a phone's log goes with it.
const (
	maxSeconds = 95_617_584_000 // the year 5000; times above it are in milliseconds
	maxPast    = 100_000
	maxHistory = 1000
)

// How a phone divides its history: the latest messages of each chat come first, then the names of people,
// then the rest in chunks.
const (
	bootstrapPerChat = 20
	recentPerChunk   = 500
)

// AddHistory gives the phone messages from before any client was linked to it. Clients linked from now on get
// them, if [PhoneOptions] says so, together with the texts in the phone's log and those it has sent.
func (p *Phone) AddHistory(ctx context.Context, messages ...PastMessage) error {
	records := make([]pastRecord, len(messages))
	for i, m := range messages {
		r := pastRecord{
			FromMe: m.FromMe, ID: m.ID, Time: m.Timestamp.Unix(),
			Unread: m.Unread && !m.FromMe, Status: m.Status, Reactions: slices.Clone(m.Reactions),
		}
		var err error
		if strings.HasSuffix(m.Chat, "@"+types.GroupServer) {
			if r.Chat = m.Chat; !m.FromMe {
				r.From, err = parseNumber(m.From)
			}
		} else {
			r.Chat, err = parseNumber(m.Chat)
		}
		for k, one := range r.Reactions {
			if err == nil && one.From != "" {
				r.Reactions[k].From, err = parseNumber(one.From)
			}
		}
		if m.Message == nil && m.Text != "" {
			m.Message = &waE2E.Message{Conversation: &m.Text}
		}
		if err == nil && m.Message == nil {
			err = errors.New("a past message has no content")
		}
		if err == nil {
			r.Plain, err = proto.Marshal(m.Message)
		}
		if err != nil {
			return fmt.Errorf("wasim: history: %w", err)
		}
		if r.ID == "" {
			r.ID = newID()
		}
		records[i] = r
	}
	var e effects
	err := p.update(ctx, &e, func() error {
		if len(p.past)+len(records) > maxPast {
			return fmt.Errorf("a phone has at most %d past messages", maxPast)
		}
		for i, r := range records {
			raw, err := json.Marshal(r)
			if err != nil {
				return err
			}
			e.batch.Put(bucketPast, fmt.Sprintf("%s/%010d", p.digits, len(p.past)+i), raw)
		}
		p.past = append(p.past, records...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("wasim: history: %w", err)
	}
	return nil
}

// sendHistoryLocked sends a new companion the phone's chats and the names of who is in them, in the order of
// real phones: INITIAL_BOOTSTRAP, PUSH_NAME, then as many RECENT as it takes.
func (p *Phone) sendHistoryLocked(e *effects, d *companion) error {
	if p.opts.History == HistoryNone {
		return nil
	}
	records, err := p.historyLocked()
	if err != nil {
		return err
	}
	latest, rest := divide(records)
	chunks := (len(rest) + recentPerChunk - 1) / recentPerChunk
	h := p.historySync(waHistorySync.HistorySync_INITIAL_BOOTSTRAP, latest)
	h.Progress = proto.Uint32(uint32(100 / (chunks + 1)))
	if err := p.notifyHistoryLocked(e, d, h, 0, ""); err != nil {
		return err
	}
	names := &waHistorySync.HistorySync{SyncType: waHistorySync.HistorySync_PUSH_NAME.Enum()}
	for _, digits := range correspondents(records) {
		if other, ok := p.srv.Phone(digits); ok && other != p {
			names.Pushnames = append(names.Pushnames, &waHistorySync.Pushname{
				ID: proto.String(other.LID().String()), Pushname: proto.String(other.Options().Name),
			})
		}
	}
	if err := p.notifyHistoryLocked(e, d, names, 1, ""); err != nil {
		return err
	}
	for i := range chunks { // the latest first, as with chats
		end := len(rest) - i*recentPerChunk
		h := p.historySync(waHistorySync.HistorySync_RECENT, rest[max(0, end-recentPerChunk):end])
		h.Progress = proto.Uint32(uint32(100 * (i + 2) / (chunks + 1)))
		if err := p.notifyHistoryLocked(e, d, h, uint32(i+2), ""); err != nil {
			return err
		}
	}
	return nil
}

// divide gives the latest messages of each chat and the others, both oldest first.
func divide(records []pastRecord) (latest, rest []pastRecord) {
	count := map[string]int{}
	for _, r := range slices.Backward(records) {
		if count[r.Chat]++; count[r.Chat] <= bootstrapPerChat {
			latest = append(latest, r)
		} else {
			rest = append(rest, r)
		}
	}
	slices.Reverse(latest)
	slices.Reverse(rest)
	return latest, rest
}

// historyLocked gathers what the phone remembers, oldest first.
func (p *Phone) historyLocked() ([]pastRecord, error) {
	records := slices.Clone(p.past)
	rows, err := p.srv.store.Last(p.srv.ctx, p.digits, maxHistory)
	if err != nil {
		return nil, err
	}
	log, err := decodeLog(rows)
	if err != nil {
		return nil, err
	}
	add := func(r pastRecord, m *waE2E.Message) error {
		var err error
		r.Plain, err = proto.Marshal(m)
		records = append(records, r)
		return err
	}
	for _, r := range log {
		if r.Kind != "text" {
			continue // files are logged by what they were, without their keys
		}
		one := pastRecord{ID: r.ID, FromMe: r.FromMe, Time: r.Timestamp.Unix()}
		switch {
		case r.Group != "":
			one.Chat, one.From = r.Group, strings.TrimPrefix(r.From, "+")
		case r.FromMe:
			one.Chat = strings.TrimPrefix(r.To, "+")
		default:
			one.Chat = strings.TrimPrefix(r.From, "+")
		}
		if err := add(one, &waE2E.Message{Conversation: proto.String(r.Text)}); err != nil {
			return nil, err
		}
	}
	for _, m := range p.sent {
		if !m.Peer {
			records = append(records, pastRecord{
				Chat: cmp.Or(m.Group, m.To), FromMe: true, ID: m.ID, Plain: m.Plain, Time: m.At.Unix(),
			})
		}
	}
	slices.SortStableFunc(records, func(a, b pastRecord) int { return cmp.Compare(a.Time, b.Time) })
	return records, nil
}

func correspondents(records []pastRecord) []string {
	set := map[string]bool{}
	for _, r := range records {
		set[cmp.Or(r.From, r.Chat)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// historySync presents messages as chats, the latest message of each first as real phones do.
func (p *Phone) historySync(typ waHistorySync.HistorySync_HistorySyncType, records []pastRecord) *waHistorySync.HistorySync {
	h := &waHistorySync.HistorySync{SyncType: typ.Enum(), Progress: proto.Uint32(100)}
	chats := map[string]*waHistorySync.Conversation{}
	for _, r := range records {
		c := chats[r.Chat]
		if c == nil {
			c = p.conversation(r.Chat)
			chats[r.Chat] = c
			h.Conversations = append(h.Conversations, c)
			if c.PnJID != nil && c.LidJID != nil {
				h.PhoneNumberToLidMappings = append(h.PhoneNumberToLidMappings, &waHistorySync.PhoneNumberToLIDMapping{
					PnJID: c.PnJID, LidJID: c.LidJID,
				})
			}
		}
		m := new(waE2E.Message)
		if err := proto.Unmarshal(r.Plain, m); err != nil {
			continue // it was marshalled here
		}
		info := &waWeb.WebMessageInfo{
			Key:              &waCommon.MessageKey{RemoteJID: c.ID, FromMe: proto.Bool(r.FromMe), ID: proto.String(r.ID)},
			Message:          m,
			MessageTimestamp: proto.Uint64(uint64(r.Time)),
			Status:           cmp.Or(r.Status, waWeb.WebMessageInfo_READ).Enum(),
		}
		if r.From != "" && !r.FromMe {
			member := types.NewJID(hiddenID(r.From), types.HiddenUserServer).String()
			info.Participant, info.Key.Participant = proto.String(member), proto.String(member)
		}
		if other, ok := p.srv.Phone(cmp.Or(r.From, r.Chat)); ok && !r.FromMe {
			info.PushName = proto.String(other.Options().Name)
		}
		for _, reaction := range r.Reactions {
			key := &waCommon.MessageKey{RemoteJID: c.ID, FromMe: proto.Bool(reaction.FromMe), ID: proto.String(newID())}
			if reaction.From != "" && !reaction.FromMe {
				key.Participant = proto.String(types.NewJID(hiddenID(reaction.From), types.HiddenUserServer).String())
			}
			info.Reactions = append(info.Reactions, &waWeb.Reaction{
				Key: key, Text: proto.String(reaction.Emoji), SenderTimestampMS: proto.Int64(reaction.Timestamp.UnixMilli()),
			})
		}
		if r.Unread {
			c.UnreadCount = proto.Uint32(c.GetUnreadCount() + 1)
		}
		c.Messages = slices.Insert(c.Messages, 0, &waHistorySync.HistorySyncMsg{Message: info, MsgOrderID: proto.Uint64(uint64(len(c.Messages) + 1))})
		c.ConversationTimestamp, c.LastMsgTimestamp = proto.Uint64(uint64(r.Time)), proto.Uint64(uint64(r.Time))
	}
	return h
}

func (p *Phone) conversation(chat string) *waHistorySync.Conversation {
	c := &waHistorySync.Conversation{UnreadCount: proto.Uint32(0), EndOfHistoryTransfer: proto.Bool(true)}
	if jid, err := types.ParseJID(chat); err == nil && jid.Server == types.GroupServer {
		c.ID = proto.String(chat)
		if g := p.srv.group(jid); g != nil {
			c.Name = proto.String(g.Subject)
		}
		return c
	}
	c.PnJID = proto.String(types.NewJID(chat, types.DefaultUserServer).String())
	if other, ok := p.srv.Phone(chat); ok {
		c.LidJID = proto.String(other.LID().String())
	}
	c.ID = cmp.Or(c.LidJID, c.PnJID)
	return c
}

// notifyHistoryLocked sends a chunk of history, compressed, to a companion.
func (p *Phone) notifyHistoryLocked(e *effects, d *companion, h *waHistorySync.HistorySync, order uint32, request string) error {
	h.ChunkOrder = proto.Uint32(order)
	raw, err := proto.Marshal(h)
	if err != nil {
		return fmt.Errorf("marshal history: %w", err)
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err = z.Write(raw); err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("compress history: %w", err)
	}
	n := &waE2E.HistorySyncNotification{
		// Both enumerations number the types alike (whatsmeow proto/waE2E and proto/waHistorySync).
		SyncType:   waE2E.HistorySyncType(h.GetSyncType()).Enum(),
		ChunkOrder: h.ChunkOrder, Progress: h.Progress, FileLength: proto.Uint64(uint64(packed.Len())),
	}
	if request != "" {
		n.PeerDataRequestSessionID = proto.String(request)
	}
	if p.opts.History == HistoryExternal || h.GetSyncType() == waHistorySync.HistorySync_RECENT {
		sealed, err := attachment.Seal(packed.Bytes(), attachment.History)
		if err != nil {
			return err
		}
		sum := hex.EncodeToString(sealed.EncSHA256)
		if err = p.srv.blobs.put(sum, bytes.NewReader(sealed.Data)); err != nil {
			return fmt.Errorf("keep history: %w", err)
		}
		n.FileSHA256, n.FileEncSHA256, n.MediaKey = sealed.SHA256, sealed.EncSHA256, sealed.Key
		n.DirectPath = proto.String(blobPath(sum))
	} else {
		n.InitialHistBootstrapInlinePayload = packed.Bytes()
	}
	return p.peerLocked(e, d, &waE2E.ProtocolMessage{
		Type:                    waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum(),
		HistorySyncNotification: n,
	})
}

// sendOlderLocked answers a companion that wants what came before a message (whatsmeow send.go,
// BuildHistorySyncRequest).
func (p *Phone) sendOlderLocked(e *effects, d *companion, request *waE2E.PeerDataOperationRequestMessage_HistorySyncOnDemandRequest) error {
	records, err := p.historyLocked()
	if err != nil {
		return err
	}
	chat := request.GetChatJID()
	if jid, err := types.ParseJID(chat); err == nil {
		if other := p.srv.user(jid); other != nil {
			chat = other.digits
		}
	}
	// In seconds, whatever the field's name says (whatsmeow send.go); other clients believe the name.
	before := request.GetOldestMsgTimestampMS()
	if before > maxSeconds {
		before /= 1000
	}
	records = slices.DeleteFunc(records, func(r pastRecord) bool {
		return r.Chat != chat || r.ID == request.GetOldestMsgID() || before > 0 && r.Time > before
	})
	if n := int(request.GetOnDemandMsgCount()); n > 0 && len(records) > n {
		records = records[len(records)-n:]
	}
	return p.notifyHistoryLocked(e, d, p.historySync(waHistorySync.HistorySync_ON_DEMAND, records), 0, newID())
}
