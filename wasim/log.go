package wasim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
)

// Messages returns the phone's whole log, oldest first.
func (p *Phone) Messages() ([]Received, error) {
	var all []Received
	for after := int64(0); ; {
		page, err := p.Received(after, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < 1000 {
			return all, nil
		}
		after = page[len(page)-1].Seq
	}
}

// Received returns up to limit messages of the phone's log that come after the one whose Seq is
// given, oldest first.
func (p *Phone) Received(after int64, limit int) ([]Received, error) {
	rows, err := p.srv.store.Messages(p.srv.ctx, p.digits, after, limit)
	if err != nil {
		return nil, fmt.Errorf("wasim: %w", err)
	}
	return decodeLog(rows)
}

// Last returns the newest messages of the phone's log, up to limit, oldest first.
func (p *Phone) Last(limit int) ([]Received, error) {
	rows, err := p.srv.store.Last(p.srv.ctx, p.digits, limit)
	if err != nil {
		return nil, fmt.Errorf("wasim: %w", err)
	}
	return decodeLog(rows)
}

func decodeLog(rows []durable.Message) ([]Received, error) {
	out := make([]Received, len(rows))
	for i, row := range rows {
		var err error
		if out[i], _, err = decodeEntry(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// logEntry is a message of the log as it is kept.
type logEntry struct {
	Received
	File *keptFile `json:"file,omitempty"`
}

// keptFile is what opens an attachment again.
type keptFile struct {
	Info      string `json:"info"`
	Path      string `json:"path"`
	Key       []byte `json:"key"`
	EncSHA256 []byte `json:"enc_sha256"`
	SHA256    []byte `json:"sha256"`
}

func decodeEntry(row durable.Message) (Received, *fileRef, error) {
	var e logEntry
	if err := json.Unmarshal(row.Body, &e); err != nil {
		return Received{}, nil, fmt.Errorf("wasim: message log: %w", err)
	}
	e.Seq, e.Attempts = row.Seq, row.Attempts
	if e.File == nil || e.Media == nil {
		return e.Received, nil, nil
	}
	return e.Received, &fileRef{
		kind: e.Media.Kind, mime: e.Media.MIME, name: e.Media.FileName, size: uint64(e.Media.Size),
		info: e.File.Info, path: e.File.Path, key: e.File.Key, encSHA256: e.File.EncSHA256, sha256: e.File.SHA256,
	}, nil
}

// Await returns the oldest message in the phone's log for which match reports true, waiting for it if
// need be.
func (p *Phone) Await(ctx context.Context, match func(Received) bool) (Received, error) {
	var after, version int64
	for {
		p.changeMu.Lock()
		change := p.change
		if p.version != version {
			after, version = 0, p.version // the attempts of an old message changed
		}
		p.changeMu.Unlock()
		for {
			page, err := p.Received(after, 100)
			if err != nil {
				return Received{}, err
			}
			for _, m := range page {
				after = m.Seq
				if match(m) {
					return m, nil
				}
			}
			if len(page) < 100 {
				break
			}
		}
		select {
		case <-change:
		case <-ctx.Done():
			return Received{}, fmt.Errorf("wasim: no such message on phone %s: %w", p.Number(), ctx.Err())
		case <-p.srv.ctx.Done():
			return Received{}, errClosed
		}
	}
}

var errClosed = errors.New("wasim: server is closed")

// changed wakes whoever waits for the log; recount makes them look at all of it again.
func (p *Phone) changed(recount bool) {
	p.changeMu.Lock()
	defer p.changeMu.Unlock()
	if recount {
		p.version++
	}
	close(p.change)
	p.change = make(chan struct{})
	p.srv.changes.ring()
}

// recentSet remembers the last messages of a phone, so that a duplicate is recognised even while
// the first one is still being written.
type recentSet struct {
	set   map[[2]string]struct{}
	order [][2]string
}

const maxRecent = 1024

func (r *recentSet) has(chat, id string) bool {
	_, ok := r.set[[2]string{chat, id}]
	return ok
}

func (r *recentSet) add(chat, id string) {
	key := [2]string{chat, id}
	if r.set == nil {
		r.set = map[[2]string]struct{}{}
	}
	if len(r.order) < maxRecent {
		r.order = append(r.order, key)
	} else {
		delete(r.set, r.order[0])
		r.order = append(r.order[1:], key)
	}
	r.set[key] = struct{}{}
}

// logKey tells messages of the same id apart: ids are unique within a chat.
func logKey(from *Phone, group types.JID, copyTo *Phone) string {
	switch {
	case !group.IsEmpty():
		return group.String() + "/" + from.digits
	case copyTo != nil:
		return "to " + copyTo.digits
	}
	return from.digits
}

func timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
