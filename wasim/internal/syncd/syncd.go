// Package syncd is a phone's end of app state: the encrypted, chained patches by which the devices of an
// account share contacts, mutes, archived chats and the like. The codec is whatsmeow's; this package gives
// it a store in memory and a view of what the patches add up to.
package syncd

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// Key encrypts the patches of an account.
type Key struct {
	ID   []byte `json:"id"`   // two bytes for the device that made it, four that count its keys
	Data []byte `json:"data"` // 32 bytes
}

// NewKey draws a key as a phone's first one.
func NewKey() Key {
	k := Key{ID: []byte{0, 0, 0, 0, 0, 1}, Data: make([]byte, 32)}
	_, _ = rand.Read(k.Data)
	return k
}

// Setting is one thing that the patches have set.
type Setting struct {
	Collection string
	Index      []string
	Value      *waSyncAction.SyncActionValue
}

// Book holds an account's collections. It isn't safe for concurrent use.
type Book struct {
	key      Key
	codec    *appstate.Processor
	states   map[string]appstate.HashState
	macs     macStore
	settings map[string]Setting // by collection and index
}

// NewBook makes an empty book.
func NewBook(key Key) *Book {
	b := &Book{
		key: key, states: map[string]appstate.HashState{}, macs: macStore{}, settings: map[string]Setting{},
	}
	b.codec = appstate.NewProcessor(&store.Device{AppState: b.macs, AppStateKeys: keyStore{key}}, waLog.Noop)
	return b
}

// Encode makes the next patch of a collection, without its version. It changes nothing: hand the
// patch to Apply.
func (b *Book) Encode(info appstate.PatchInfo) ([]byte, error) {
	return b.codec.EncodePatch(context.Background(), b.key.ID, b.states[string(info.Type)], info)
}

// Apply takes a patch with its version, whoever made it, after checking its authentication codes.
func (b *Book) Apply(collection string, raw []byte) error {
	patch := new(waServerSync.SyncdPatch)
	if err := proto.Unmarshal(raw, patch); err != nil {
		return fmt.Errorf("unmarshal patch: %w", err)
	}
	mutations, state, err := b.codec.DecodePatches(context.Background(), &appstate.PatchList{
		Name: appstate.WAPatchName(collection), Patches: []*waServerSync.SyncdPatch{patch},
	}, b.states[collection], true)
	if err != nil {
		return fmt.Errorf("decode patch: %w", err)
	}
	b.states[collection] = state
	for _, m := range mutations {
		at := collection + "/" + strings.Join(m.Index, "\x00")
		if m.Operation == waServerSync.SyncdMutation_REMOVE {
			delete(b.settings, at)
			continue
		}
		b.settings[at] = Setting{collection, m.Index, m.Action}
	}
	return nil
}

// Settings lists what is set, ordered by collection and index.
func (b *Book) Settings() []Setting {
	keys := make([]string, 0, len(b.settings))
	for k := range b.settings {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([]Setting, len(keys))
	for i, k := range keys {
		out[i] = b.settings[k]
	}
	return out
}

// macStore keeps the codes by which the codec recognises what a patch replaces: by collection and index
// code.
type macStore map[string][]byte

func (m macStore) PutAppStateVersion(context.Context, string, uint64, [128]byte) error { return nil }

func (m macStore) GetAppStateVersion(context.Context, string) (uint64, [128]byte, error) {
	return 0, [128]byte{}, nil
}

func (m macStore) DeleteAppStateVersion(context.Context, string) error { return nil }

func (m macStore) PutAppStateMutationMACs(_ context.Context, name string, _ uint64, list []store.AppStateMutationMAC) error {
	for _, one := range list {
		m[name+"/"+string(one.IndexMAC)] = one.ValueMAC
	}
	return nil
}

func (m macStore) DeleteAppStateMutationMACs(_ context.Context, name string, list [][]byte) error {
	for _, one := range list {
		delete(m, name+"/"+string(one))
	}
	return nil
}

func (m macStore) GetAppStateMutationMAC(_ context.Context, name string, index []byte) ([]byte, error) {
	return m[name+"/"+string(index)], nil
}

// keyStore knows one key.
type keyStore struct{ key Key }

func (k keyStore) PutAppStateSyncKey(context.Context, []byte, store.AppStateSyncKey) error {
	return nil
}

func (k keyStore) GetAppStateSyncKey(_ context.Context, id []byte) (*store.AppStateSyncKey, error) {
	if !slices.Equal(id, k.key.ID) {
		return nil, nil
	}
	return &store.AppStateSyncKey{Data: k.key.Data}, nil
}

func (k keyStore) GetLatestAppStateSyncKeyID(context.Context) ([]byte, error) { return k.key.ID, nil }

func (k keyStore) GetAllAppStateSyncKeys(context.Context) ([]*store.AppStateSyncKey, error) {
	return []*store.AppStateSyncKey{{Data: k.key.Data}}, nil
}
