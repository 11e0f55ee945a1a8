package wasim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/syncd"
)

// Setting is one thing that the devices of an account share by app state: a contact's name, a muted or
// archived chat, the push name.
type Setting struct {
	Collection string   // critical_block, regular_high, …
	Index      []string // what it is about, such as ["mute", "123@lid"]
	Value      *waSyncAction.SyncActionValue
}

// ErrNoCompanion is returned when a phone has nobody to share its app state with: it has made no key yet.
var ErrNoCompanion = errors.New("wasim: the phone has no linked device")

// Sync changes the account's app state, as using the phone does: its companions are told and fetch the
// patch. The Build functions of whatsmeow's appstate package make patches, such as [appstate.BuildMute],
// [appstate.BuildArchive] and [appstate.BuildPin].
func (p *Phone) Sync(ctx context.Context, patch appstate.PatchInfo) error {
	if !slices.Contains(appstate.AllPatchNames[:], patch.Type) || len(patch.Mutations) == 0 {
		return fmt.Errorf("wasim: app state has no collection %q, or nothing is to change", patch.Type)
	}
	var e effects
	err := p.update(ctx, &e, func() error {
		if p.syncKey.Data == nil {
			return ErrNoCompanion
		}
		return p.syncLocked(&e, patch, nil)
	})
	if err != nil {
		return fmt.Errorf("wasim: app state: %w", err)
	}
	return nil
}

// SaveContact puts a number into the phone's address book under a name, which its companions learn.
func (p *Phone) SaveContact(ctx context.Context, number, firstName, fullName string) error {
	digits, err := parseNumber(number)
	if err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	action := &waSyncAction.ContactAction{
		FullName: proto.String(fullName), FirstName: proto.String(firstName), SaveOnPrimaryAddressbook: proto.Bool(true),
	}
	jid := types.NewJID(digits, types.DefaultUserServer)
	if other := p.srv.user(jid); other != nil {
		action.LidJID = proto.String(other.LID().String())
	}
	return p.Sync(ctx, appstate.PatchInfo{
		Type: appstate.WAPatchCriticalUnblockLow,
		Mutations: []appstate.MutationInfo{{
			Index: []string{appstate.IndexContact, jid.String()}, Version: 2,
			Value: &waSyncAction.SyncActionValue{ContactAction: action},
		}},
	})
}

// Settings lists the account's app state as the phone knows it, whichever device set it.
func (p *Phone) Settings() ([]Setting, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.syncKey.Data == nil {
		return nil, nil
	}
	book, err := p.bookLocked()
	if err != nil {
		return nil, fmt.Errorf("wasim: app state: %w", err)
	}
	var out []Setting
	for _, s := range book.Settings() {
		out = append(out, Setting{s.Collection, s.Index, proto.CloneOf(s.Value)})
	}
	return out, nil
}

// syncKeyLocked returns the key of the app state, which a phone makes for its first companion.
func (p *Phone) syncKeyLocked(e *effects) (syncd.Key, error) {
	if p.syncKey.Data == nil {
		p.syncKey = syncd.NewKey()
		return p.syncKey, p.save(&e.batch)
	}
	return p.syncKey, nil
}

// syncNameLocked makes sure that the app state has the phone's name.
func (p *Phone) syncNameLocked(e *effects, from *companion) error {
	if _, err := p.syncKeyLocked(e); err != nil {
		return err
	}
	book, err := p.bookLocked()
	if err != nil {
		return err
	}
	for _, s := range book.Settings() {
		if s.Index[0] == appstate.IndexSettingPushName && s.Value.GetPushNameSetting().GetName() == p.opts.Name {
			return nil
		}
	}
	return p.syncLocked(e, appstate.BuildSettingPushName(p.opts.Name), from)
}

// syncLocked adds a patch of the phone's own. from isn't told.
func (p *Phone) syncLocked(e *effects, info appstate.PatchInfo, from *companion) error {
	book, err := p.bookLocked()
	if err != nil {
		return err
	}
	if info.Timestamp.IsZero() {
		info.Timestamp = p.srv.now()
	}
	raw, err := book.Encode(info)
	if err != nil {
		return err
	}
	name := string(info.Type)
	patch, err := numbered(raw, len(p.appState[name])+1)
	if err != nil {
		return err
	}
	return p.addPatchLocked(name, patch, from, e)
}

// bookLocked returns what all patches add up to. It is made when it's first needed: most phones of a
// large network never look.
func (p *Phone) bookLocked() (*syncd.Book, error) {
	if p.book != nil {
		return p.book, nil
	}
	book := syncd.NewBook(p.syncKey)
	for name, patches := range p.appState {
		for _, patch := range patches {
			if err := book.Apply(name, patch); err != nil {
				return nil, fmt.Errorf("patch of %s: %w", name, err)
			}
		}
	}
	p.book = book
	return book, nil
}
