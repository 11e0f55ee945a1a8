package meow

import (
	"context"
	"sync"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// contactStore is the library's store of contacts for several goroutines. The
// library's own copies what it found after it let go of its lock, while another
// goroutine notes the name of who is writing (store/sqlstore/store.go,
// GetContact and PutPushName).
type contactStore struct {
	mu   sync.Mutex
	next store.ContactStore
}

var _ store.ContactStore = (*contactStore)(nil)

func (c *contactStore) PutPushName(ctx context.Context, user types.JID, name string) (bool, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.PutPushName(ctx, user, name)
}

func (c *contactStore) PutBusinessName(ctx context.Context, user types.JID, name string) (bool, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.PutBusinessName(ctx, user, name)
}

// PutContactName passes the names on in the order in which they come: the
// interface and the library's store name them differently.
func (c *contactStore) PutContactName(ctx context.Context, user types.JID, first, full string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.PutContactName(ctx, user, first, full)
}

func (c *contactStore) PutAllContactNames(ctx context.Context, contacts []store.ContactEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.PutAllContactNames(ctx, contacts)
}

func (c *contactStore) PutManyRedactedPhones(ctx context.Context, entries []store.RedactedPhoneEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.PutManyRedactedPhones(ctx, entries)
}

func (c *contactStore) GetContact(ctx context.Context, user types.JID) (types.ContactInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.GetContact(ctx, user)
}

func (c *contactStore) GetAllContacts(ctx context.Context) (map[types.JID]types.ContactInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next.GetAllContacts(ctx)
}
