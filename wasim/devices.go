package wasim

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// watcher is a companion that has asked for, and caches, a phone's device list under one of the
// phone's two addresses.
type watcher struct {
	dev  *companion
	addr types.JID
}

// watch notes that d caches the devices of p under addr.
func (p *Phone) watch(d *companion, addr types.JID) {
	p.watchMu.Lock()
	defer p.watchMu.Unlock()
	if p.watchers == nil {
		p.watchers = map[watcher]struct{}{}
	}
	p.watchers[watcher{d, addr}] = struct{}{}
}

// announceDevices tells every companion that caches the device list of changed's phone that changed was
// added to it or removed from it. Who caches what isn't kept across a restart of the server.
func (s *Server) announceDevices(changed *companion, added bool, e *effects) {
	p := changed.phone
	tag := "remove"
	if added {
		tag = "add"
	}
	numbers := []uint16{0} // the phone itself
	for _, d := range s.companions(p) {
		numbers = append(numbers, uint16(d.rec.Device))
	}
	p.watchMu.Lock()
	defer p.watchMu.Unlock()
	for w := range p.watchers {
		if w.dev == changed || s.companion(w.dev.phone.digits, w.dev.rec.Device) != w.dev {
			delete(p.watchers, w)
			continue
		}
		list := make([]types.JID, len(numbers))
		for i, device := range numbers {
			list[i] = types.JID{User: w.addr.User, Device: device, Server: w.addr.Server}
		}
		device := stanza.Node{Tag: "device", Attrs: stanza.Attrs{
			"jid": types.JID{User: w.addr.User, Device: uint16(changed.rec.Device), Server: w.addr.Server},
		}}
		if added {
			device.Attrs["key-index"] = changed.rec.Device
		}
		id := newID()
		e.queue(w.dev, 0, "notification", id, "devices", stanza.Node{
			Tag:   "notification",
			Attrs: stanza.Attrs{"type": "devices", "from": w.addr, "id": id, "t": s.now().Unix()},
			Content: []stanza.Node{{
				Tag: tag, Attrs: stanza.Attrs{"device_hash": deviceHash(list)}, Content: []stanza.Node{device},
			}},
		})
	}
}

// deviceHash stands for a device list: a client whose own list, changed as it was told, has another hash
// fetches it anew (whatsmeow send.go, participantListHashV2).
func deviceHash(list []types.JID) string {
	names := make([]string, len(list))
	for i, jid := range list {
		names[i] = jid.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}
