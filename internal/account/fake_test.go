package account_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

var errAway = errors.New("storage is away")

// connector is a hand-made whatsapp.Connector. Accounts become active a second
// after Connect, unless told otherwise.
type connector struct {
	whatsapp.Presencer // never called

	handler whatsapp.Handler
	login   time.Duration // how long a login takes
	steps   chan whatsapp.PairEvent

	mu         sync.Mutex
	sessions   map[string]bool // device -> there are keys
	connects   []string        // in order
	connectErr error
	loggedOut  []string
}

func newConnector(devices ...string) *connector {
	c := &connector{login: time.Second, sessions: map[string]bool{}, steps: make(chan whatsapp.PairEvent, 8)}
	for _, d := range devices {
		c.sessions[d] = true
	}
	return c
}

func (c *connector) Handle(h whatsapp.Handler) { c.handler = h }

func (c *connector) Pair(context.Context, whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	return c.steps, nil
}

// linked plays the end of a pairing as a connector reports it: the account is
// connected first.
func (c *connector) linked(device string, phone tideline.Phone) {
	c.mu.Lock()
	c.sessions[device] = true
	c.mu.Unlock()
	c.say(device, tideline.AccountConnecting, "")
	c.say(device, tideline.AccountActive, "")
	c.steps <- whatsapp.PairEvent{Paired: &whatsapp.Paired{JID: phone.JID(), DeviceJID: device, Phone: phone, Name: "Shop"}}
	close(c.steps)
}

func (c *connector) say(device string, state tideline.AccountState, reason string) {
	c.handler.State(context.Background(), whatsapp.StateEvent{DeviceJID: device, State: state, Reason: reason, At: time.Now()})
}

func (c *connector) Connect(_ context.Context, device string) error {
	c.mu.Lock()
	c.connects = append(c.connects, device)
	known, err := c.sessions[device], c.connectErr
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if !known {
		return whatsapp.ErrNoSession
	}
	c.say(device, tideline.AccountConnecting, "")
	time.AfterFunc(c.login, func() { c.say(device, tideline.AccountActive, "") })
	return nil
}

func (c *connector) Disconnect(string) {}

func (c *connector) React(context.Context, whatsapp.Reaction) error { return nil }

func (c *connector) Group(context.Context, string, tideline.JID) (tideline.Group, error) {
	return tideline.Group{}, nil
}

func (c *connector) Picture(context.Context, string, tideline.Peer, string, int64, io.Writer) (string, error) {
	return "", nil
}

func (c *connector) ContactNames(context.Context, string, []tideline.Peer) ([]string, error) {
	return nil, nil
}

func (c *connector) History(context.Context, string, []byte, func(context.Context, whatsapp.HistoryPart) error) error {
	return nil
}

func (c *connector) Fetch(context.Context, string, []byte, int64, io.Writer) error { return nil }

func (c *connector) Logout(_ context.Context, device string) error {
	c.mu.Lock()
	delete(c.sessions, device)
	c.loggedOut = append(c.loggedOut, device)
	c.mu.Unlock()
	c.say(device, tideline.AccountLoggedOut, "logged out on request")
	return nil
}

func (c *connector) Send(context.Context, whatsapp.Outgoing) (whatsapp.Sent, error) {
	return whatsapp.Sent{}, errors.ErrUnsupported
}

func (c *connector) Devices(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.sessions)), nil
}

func (c *connector) NewMessageID() string { return "id" }
func (c *connector) Close() error         { return nil }

func (c *connector) setConnectErr(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connectErr = err
}

func (c *connector) connected() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.connects)
}

func (c *connector) outs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.loggedOut)
}

// storage keeps accounts in memory.
type storage struct {
	mu       sync.Mutex
	version  int64
	away     bool
	accounts []tideline.Account
	removed  map[int64]bool
	receipts []store.Receipts
	writes   int
	stored   func() // runs after an account was stored, before PutAccount returns
}

func newStorage(accounts ...tideline.Account) *storage {
	return &storage{accounts: accounts, removed: map[int64]bool{}}
}

func (s *storage) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// change is a change made by somebody else.
func (s *storage) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	s.version++
}

// find gives the place of an account. It is called with mu held.
func (s *storage) find(match func(tideline.Account) bool) (*tideline.Account, error) {
	if s.away {
		return nil, errAway
	}
	for i := range s.accounts {
		if a := &s.accounts[i]; !s.removed[a.ID] && match(*a) {
			return a, nil
		}
	}
	return nil, tideline.Errorf(tideline.CodeNotFound, "account not found")
}

func (s *storage) byID(id int64) (*tideline.Account, error) {
	return s.find(func(a tideline.Account) bool { return a.ID == id })
}

func (s *storage) get(id int64) tideline.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if a.ID == id {
			return a
		}
	}
	return tideline.Account{}
}

// written counts the writes of states.
func (s *storage) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *storage) applied() []store.Receipts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.receipts)
}

func (s *storage) Version(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return 0, errAway
	}
	return s.version, nil
}

func (s *storage) AccountsOf(_ context.Context, workspaceID int64) ([]tideline.Account, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, 0, errAway
	}
	var list []tideline.Account
	for _, a := range s.accounts {
		if a.WorkspaceID == workspaceID && !s.removed[a.ID] {
			list = append(list, a)
		}
	}
	return list, s.version, nil
}

func (s *storage) AllAccounts(context.Context) ([]tideline.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	return slices.DeleteFunc(slices.Clone(s.accounts), func(a tideline.Account) bool { return s.removed[a.ID] }), nil
}

func (s *storage) Account(_ context.Context, workspaceID, accountID int64) (tideline.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(func(a tideline.Account) bool { return a.ID == accountID && a.WorkspaceID == workspaceID })
	if err != nil {
		return tideline.Account{}, err
	}
	return *a, nil
}

func (s *storage) PutAccount(_ context.Context, n tideline.Account) (tideline.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	a, err := s.find(func(a tideline.Account) bool { return a.JID == n.JID })
	switch {
	case errors.Is(err, errAway):
		return tideline.Account{}, err
	case err == nil && a.WorkspaceID != n.WorkspaceID:
		return tideline.Account{}, tideline.Errorf(tideline.CodeConflict, "taken")
	case err == nil:
		a.DeviceJID, a.Name, a.OwnerName = n.DeviceJID, n.Name, n.OwnerName
		return *a, nil
	}
	n.ID = int64(len(s.accounts) + 1)
	s.accounts = append(s.accounts, n)
	if s.stored != nil {
		s.mu.Unlock()
		s.stored()
		s.mu.Lock()
	}
	return n, nil
}

func (s *storage) SetAccountState(_ context.Context, id int64, state tideline.AccountState, reason string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.byID(id)
	if err != nil {
		return err
	}
	s.writes++
	a.State, a.StateReason = state, reason
	if state == tideline.AccountActive {
		a.ConnectedOn = at
	}
	return nil
}

func (s *storage) SetAccountHold(_ context.Context, id int64, h tideline.Hold) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.byID(id)
	if err != nil {
		return err
	}
	a.Hold = h
	return nil
}

func (s *storage) SetAccountName(_ context.Context, id int64, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.byID(id)
	if err != nil {
		return err
	}
	a.Name = name
	return nil
}

func (s *storage) RemoveAccount(_ context.Context, workspaceID, accountID int64, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed[accountID] = true
	s.version++
	return nil
}

func (s *storage) ApplyReceipts(_ context.Context, r store.Receipts) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	s.receipts = append(s.receipts, r)
	return nil
}

// wakes counts what the outbox is told.
type wakes struct {
	mu     sync.Mutex
	n      map[int64]int
	limits map[int64]int
}

func (w *wakes) Wake(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == nil {
		w.n = map[int64]int{}
	}
	w.n[id]++
}

func (w *wakes) Limited(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limits == nil {
		w.limits = map[int64]int{}
	}
	w.limits[id]++
}

// limitsOf counts how often the outbox was told that an account's limit changed.
func (w *wakes) limitsOf(id int64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limits[id]
}

func (w *wakes) of(id int64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n[id]
}
