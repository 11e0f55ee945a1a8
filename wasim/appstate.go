package wasim

import (
	"fmt"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// App state (contacts, mutes, archived chats, …) is a list of encrypted patches per collection that the
// companions of an account share. The server numbers the patches and can't read them.

const maxCollection = 64 // bytes of a collection's name

// iqAppState answers a companion that fetches patches, or adds one.
func (c *conn) iqAppState(n *stanza.Node, sync stanza.Node) {
	var e effects
	var collections []stanza.Node
	for _, want := range sync.GetChildrenByTag("collection") {
		name := stanza.Str(&want, "name")
		if name == "" || len(name) > maxCollection || strings.Contains(name, "/") {
			c.refuse(n, 400, "bad-request")
			return
		}
		collections = append(collections, c.dev.phone.syncCollection(c.dev, name, want, &e))
	}
	if err := c.srv.commit(c.ctx, &e); err != nil {
		c.srv.log.Error("app state not kept", "error", err)
		c.cut()
		return
	}
	c.result(n, stanza.Node{Tag: "sync", Content: collections})
}

func (p *Phone) syncCollection(from *companion, name string, want stanza.Node, e *effects) stanza.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := stanza.Int(&want, "version")
	patches := p.appState[name]
	out := stanza.Node{Tag: "collection", Attrs: stanza.Attrs{"name": name, "has_more_patches": "false"}}
	added, ok := want.GetOptionalChildByTag("patch")
	switch {
	case !ok:
	case since != len(patches):
		// Another companion was faster: the client gets the patches it lacks and tries again.
		out.Attrs["type"] = "error"
		out.Content = []stanza.Node{{Tag: "error", Attrs: stanza.Attrs{"code": 409, "text": "conflict"}}}
	default:
		patch, err := numbered(stanza.Bytes(added), len(patches)+1)
		if err != nil {
			out.Attrs["type"] = "error"
			out.Content = []stanza.Node{{Tag: "error", Attrs: stanza.Attrs{"code": 400, "text": "bad-request"}}}
			break
		}
		if err := p.addPatchLocked(name, patch, from, e); err != nil {
			// The server can't read patches; the phone can, and a client that sends what its own
			// phone rejects has lost its account's state.
			p.srv.recordUnhandled(from.jid(), "app state patch: "+err.Error(), &want)
			out.Attrs["type"] = "error"
			out.Content = []stanza.Node{{Tag: "error", Attrs: stanza.Attrs{"code": 400, "text": "bad-request"}}}
			break
		}
		since++ // the client has it already
	}
	patches = p.appState[name]
	out.Attrs["version"] = len(patches)
	if since >= 0 && since < len(patches) {
		var list []stanza.Node
		for _, patch := range patches[since:] {
			list = append(list, stanza.Node{Tag: "patch", Content: patch})
		}
		out.Content = append(out.GetChildren(), stanza.Node{Tag: "patches", Content: list})
	}
	return out
}

// addPatchLocked appends a patch and tells the other companions.
func (p *Phone) addPatchLocked(name string, patch []byte, from *companion, e *effects) error {
	if p.syncKey.Data != nil {
		book, err := p.bookLocked()
		if err != nil {
			return err
		}
		if err := book.Apply(name, patch); err != nil {
			return err
		}
	}
	if p.appState == nil {
		p.appState = map[string][][]byte{}
	}
	p.appState[name] = append(p.appState[name], patch)
	version := len(p.appState[name])
	e.batch.Put(bucketAppState, fmt.Sprintf("%s/%s/%010d", p.digits, name, version), patch)
	for _, d := range p.srv.companions(p) {
		if d == from {
			continue
		}
		id := newID()
		e.queue(d, 0, "notification", id, "server_sync", stanza.Node{
			Tag:     "notification",
			Attrs:   stanza.Attrs{"type": "server_sync", "from": types.ServerJID, "id": id, "t": p.srv.now().Unix()},
			Content: []stanza.Node{{Tag: "collection", Attrs: stanza.Attrs{"name": name, "version": version}}},
		})
	}
	return nil
}

// numbered sets a patch's version, which is the server's to give.
func numbered(raw []byte, version int) ([]byte, error) {
	var patch waServerSync.SyncdPatch
	if err := proto.Unmarshal(raw, &patch); err != nil {
		return nil, fmt.Errorf("unmarshal patch: %w", err)
	}
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(uint64(version))}
	out, err := proto.Marshal(&patch)
	if err != nil {
		return nil, fmt.Errorf("marshal patch: %w", err)
	}
	return out, nil
}

// loadPatch puts a kept patch back in its place.
func (p *Phone) loadPatch(rest string, value []byte) error {
	name, number, ok := strings.Cut(rest, "/")
	version, err := strconv.Atoi(number)
	if !ok || err != nil || version != len(p.appState[name])+1 {
		return fmt.Errorf("malformed patch key %q", rest)
	}
	if p.appState == nil {
		p.appState = map[string][][]byte{}
	}
	p.appState[name] = append(p.appState[name], value)
	return nil
}
