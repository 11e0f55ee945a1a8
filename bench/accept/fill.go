package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	filling "github.com/tidelinehq/tideline/bench/internal/fill"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The world that requests come from: as many tenants and chats as a busy
// installation has, so that lookups are not all in one cache line.
const (
	workspaces = 100
	accounts   = 10 // per workspace
	chats      = 50 // per account
	variants   = 16384
)

// workload is what every server gets to see.
type workload struct {
	requests [][]byte
}

func token(workspace int) string { return fmt.Sprintf("bench-token-%04d", workspace) }

func accountPhone(workspace, account int) tideline.Phone {
	return tideline.Phone(fmt.Sprintf("+1484%03d%04d", 200+workspace, 1000+account))
}

func customer(workspace, account, chat int) tideline.Phone {
	return tideline.Phone(fmt.Sprintf("+1610%03d%02d%02d", 200+workspace, account, chat))
}

// text is 160 bytes, as a short notification is.
func text(n int) string {
	s := fmt.Sprintf("Your order %08d has left our warehouse and will be with you tomorrow. ", n)
	return (s + strings.Repeat("Thank you for your trust in us. ", 4))[:160]
}

// fill makes the world in each database, stores o.Stored settled messages in
// all but "empty", and makes the requests.
func fill(ctx context.Context, databases map[string]string, o *options) (*workload, error) {
	seen := map[string]bool{}
	first := ""
	for name, database := range databases {
		if seen[database] {
			continue
		}
		seen[database] = true
		stored := o.Stored
		if name == "empty" {
			stored = 0
		}
		// Filling takes a while: the second full database is a copy of the first.
		if stored > 0 && first != "" {
			if err := copyFile(first, database); err != nil {
				return nil, err
			}
			continue
		}
		if err := filling.Through(ctx, database, "", func(ctx context.Context, database string) error {
			return fillOne(ctx, database, stored)
		}); err != nil {
			return nil, err
		}
		if stored > 0 && o.Database == "" {
			first = database
		}
	}
	w := &workload{requests: make([][]byte, variants)}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range w.requests {
		ws, account, chat := rng.IntN(workspaces), rng.IntN(accounts), rng.IntN(chats)
		body := fmt.Sprintf(`{"phone":%q,"whatsapp_account_phone":%q,"text":%q}`, customer(ws, account, chat), accountPhone(ws, account), text(i))
		w.requests[i] = fmt.Appendf(nil, "POST /integrations/api/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			token(ws), len(body), body)
	}
	return w, nil
}

func fillOne(ctx context.Context, database string, stored int) (err error) {
	st, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		return err
	}
	defer func() {
		if e := st.Close(); err == nil {
			err = e
		}
	}()
	spaces := make([]int64, workspaces)
	lanes := make([][]int64, workspaces)
	credits := tideline.Credits(1_000_000_000)
	now := time.Now()
	for ws := range workspaces {
		w, member, err := st.CreateWorkspace(ctx, tideline.Workspace{
			Slug: fmt.Sprintf("bench-%04d", ws), DisplayName: "Bench", TimeZone: "UTC",
			Plan: tideline.Plan{Name: tideline.DefaultPlan}, Credits: &credits, Gap: tideline.DefaultGap, CreatedAt: now,
		}, tideline.Member{Email: "owner@example.com", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: now})
		if err != nil {
			return err
		}
		spaces[ws] = w.ID
		if _, err := st.CreateToken(ctx, tideline.Token{WorkspaceID: w.ID, MemberID: member.ID, Name: "bench", CreatedAt: now}, sha256.Sum256([]byte(token(ws)))); err != nil {
			return err
		}
		for account := range accounts {
			phone := accountPhone(ws, account)
			a, err := st.PutAccount(ctx, tideline.Account{
				WorkspaceID: w.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@" + tideline.ServerUser, Phone: phone,
				State: tideline.AccountActive, ConnectedOn: now, CreatedAt: now,
			})
			if err != nil {
				return err
			}
			lanes[ws] = append(lanes[ws], a.ID)
		}
	}
	return fillMessages(ctx, st, spaces, lanes, stored)
}

// fillMessages accepts and settles n messages, many at a time.
func fillMessages(ctx context.Context, st *sqlstore.Store, spaces []int64, lanes [][]int64, n int) error {
	version, err := st.Version(ctx)
	if err != nil {
		return err
	}
	// Every chat exists before measuring, also in the empty database: making a
	// chat is not what the requests of a running business mostly do.
	n += workspaces * accounts * chats
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	for range 1024 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := storeOne(ctx, st, version, spaces, lanes, i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
					next.Store(int64(n))
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

func storeOne(ctx context.Context, st *sqlstore.Store, version int64, spaces []int64, lanes [][]int64, i int) error {
	ws, account, chat := i%workspaces, i/workspaces%accounts, i/workspaces/accounts%chats
	uid, err := uuid.NewV7()
	if err != nil {
		return err
	}
	phone := customer(ws, account, chat)
	now := time.Now()
	done := st.Accept(ctx, store.Acceptance{
		WorkspaceID: spaces[ws], AccountID: lanes[ws][account], Version: version, Grant: 1_000_000_000, Location: time.UTC,
		Message: store.NewMessage{
			UID: uid.String(), WhatsAppID: fmt.Sprintf("3EB0%018X", rand.Uint64()), Text: text(i),
			Origin: tideline.OriginPublicAPI, Credits: 1, Gap: 2 * time.Second, At: now,
		},
		Chat: store.ChatRef{JID: phone.JID(), Phone: phone},
	})
	if done.Err != nil {
		return done.Err
	}
	return st.Settle(ctx, store.Settlement{
		WorkspaceID: spaces[ws], AccountID: lanes[ws][account], MessageID: done.MessageID,
		Status: tideline.StatusSent, At: now, LaneAt: now,
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
