package fill_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/bench/internal/fill"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// people is a workspace with an account, and who writes to it.
func people(ctx context.Context, database string) (err error) {
	st, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	now := time.Now()
	credits := tideline.Credits(1000)
	w, owner, err := st.CreateWorkspace(ctx, tideline.Workspace{
		Slug: "acme", DisplayName: "Acmé", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Credits: &credits, Gap: tideline.DefaultGap, CreatedAt: now,
	}, tideline.Member{Email: "owner@example.com", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: now})
	if err != nil {
		return err
	}
	if _, err := st.CreateToken(ctx, tideline.Token{WorkspaceID: w.ID, MemberID: owner.ID, Name: "till", CreatedAt: now}, sha256.Sum256([]byte("secret"))); err != nil {
		return err
	}
	phone := tideline.Phone("+14841111111")
	a, err := st.PutAccount(ctx, tideline.Account{WorkspaceID: w.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@" + tideline.ServerUser, Phone: phone,
		State: tideline.AccountActive, ConnectedOn: now, CreatedAt: now})
	if err != nil {
		return err
	}
	return fill.InParallel(8, 100, func(i int) error { return say(ctx, st, a, i) })
}

// say has one of ten people write.
func say(ctx context.Context, st *sqlstore.Store, a tideline.Account, i int) error {
	peer := tideline.Peer{JID: tideline.JID(fmt.Sprintf("1610555%04d@s.whatsapp.net", i%10)), Name: fmt.Sprint("Günther ", i%10)}
	at := time.Unix(1_790_000_000+int64(i), 0)
	_, err := st.Receive(ctx, store.Reception{WorkspaceID: a.WorkspaceID, AccountID: a.ID, Chat: peer, Sender: peer, At: at, ReceivedAt: at,
		Message: &store.NewInbound{UID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String(), WhatsAppID: fmt.Sprint("IN", i), Kind: tideline.KindText, Text: fmt.Sprint("Wort ", i)}})
	return err
}

// told reads everything that people is about.
func told(t *testing.T, st *sqlstore.Store) (chats []store.ChatView, messages []store.MessageView) {
	t.Helper()
	ctx := t.Context()
	w, err := st.WorkspaceBySlug(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	chats, _, err = st.ListChats(ctx, w.ID, store.ChatFilter{}, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range chats {
		list, _, err := st.ChatMessages(ctx, w.ID, chats[i].Chat.ID, store.MessageFilter{}, store.Page{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, list...)
	}
	return chats, messages
}

func TestBothDatabasesAreFilledWithTheVerySame(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	var filled string // the database that was filled, to be compared with
	kept := filepath.Join(dir, "kept.db")
	database := testenv.PostgreSQL(t)
	if err := fill.Through(ctx, database, dir, func(ctx context.Context, database string) error {
		filled = database
		if err := people(ctx, database); err != nil {
			return err
		}
		return keep(database, kept)
	}); err != nil {
		t.Fatal(err)
	}
	if filled == database {
		t.Fatal("PostgreSQL was filled without a detour")
	}
	lite, err := sqlstore.Open(ctx, sqlstore.Options{Database: kept})
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	pg, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	wantChats, wantMessages := told(t, lite)
	gotChats, gotMessages := told(t, pg)
	if len(wantChats) != 10 || len(wantMessages) != 100 {
		t.Fatalf("%d chats and %d messages were filled in", len(wantChats), len(wantMessages))
	}
	if diff := cmp.Diff(wantChats, gotChats); diff != "" {
		t.Errorf("chats (-SQLite +PostgreSQL):\n%s", diff)
	}
	if diff := cmp.Diff(wantMessages, gotMessages); diff != "" {
		t.Errorf("messages (-SQLite +PostgreSQL):\n%s", diff)
	}
	if problems, err := pg.AuditLedger(ctx); err != nil || len(problems) > 0 {
		t.Errorf("ledger: %v, error %v", problems, err)
	}

	// What comes later goes on where it ended.
	accounts, err := pg.AllAccounts(ctx)
	if err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %v, error %v", accounts, err)
	}
	for i := range 20 {
		if err := say(ctx, pg, accounts[0], 95+i); err != nil { // the first five are known
			t.Fatal(err)
		}
	}
	if _, after := told(t, pg); len(after) != 115 {
		t.Errorf("%d messages after 15 new ones", len(after))
	}
}

// keep copies a closed SQLite database.
func keep(from, to string) error {
	all, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, all, 0o600)
}
