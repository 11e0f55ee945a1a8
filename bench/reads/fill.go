package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/bench/internal/fill"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	ownerToken = "tla_bench_owner"
	agentToken = "tla_bench_agent"
	slug       = "large"
	accounts   = 10
	members    = 20
	labels     = 20
	fillers    = 512 // goroutines that store at the same time
)

// world is a server with a large workspace.
type world struct {
	store    *sqlstore.Store
	addr     string
	closers  []func() error
	ws       tideline.Workspace
	accounts []tideline.Account
	members  []tideline.Member
	chats    []int64 // the first has many messages
	uids     []string
}

// open opens the database, fills it unless it is full already, and serves it.
func open(ctx context.Context, database, dir string, o *options) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: database}); err != nil {
		return w, err
	}
	w.closers = append(w.closers, func() error {
		if w.store == nil {
			return nil
		}
		return w.store.Close()
	})
	if w.ws, err = w.store.WorkspaceBySlug(ctx, slug); tideline.IsCode(err, tideline.CodeNotFound) {
		err = w.fillAnew(ctx, database, dir, o)
	}
	if err == nil {
		err = w.look(ctx)
	}
	if err == nil {
		err = w.serve(ctx, dir)
	}
	return w, err
}

func (w *world) close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	return errors.Join(errs...)
}

// fillAnew fills the database, which nobody has open meanwhile: the store may
// remember what was in it.
func (w *world) fillAnew(ctx context.Context, database, dir string, o *options) error {
	err := w.store.Close()
	w.store = nil
	if err != nil {
		return err
	}
	err = fill.Through(ctx, database, dir, func(ctx context.Context, database string) error {
		filling := &world{}
		var err error
		if filling.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: database}); err != nil {
			return err
		}
		return errors.Join(filling.fill(ctx, o), filling.store.Close())
	})
	if err != nil {
		return err
	}
	if w.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: database}); err != nil {
		return err
	}
	w.ws, err = w.store.WorkspaceBySlug(ctx, slug)
	return err
}

// fill makes a workspace with members, accounts, chats and messages. Every
// twentieth chat is a group, every third has labels, every tenth is assigned.
func (w *world) fill(ctx context.Context, o *options) error {
	now := time.Now()
	credits := tideline.Unlimited
	var owner tideline.Member
	var err error
	w.ws, owner, err = w.store.CreateWorkspace(ctx, tideline.Workspace{Slug: slug, DisplayName: "Large", TimeZone: "UTC",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Credits: &credits, Gap: tideline.DefaultGap, CreatedAt: now,
	}, tideline.Member{Email: memberEmail(0), DisplayName: "Owner", CreatedAt: now})
	if err != nil {
		return err
	}
	w.members = []tideline.Member{owner}
	for i := 1; i < members; i++ {
		m, err := w.store.AddMember(ctx, tideline.Member{WorkspaceID: w.ws.ID, Email: memberEmail(i), DisplayName: fmt.Sprint("Member ", i), Role: tideline.RoleAgent, CreatedAt: now})
		if err != nil {
			return err
		}
		w.members = append(w.members, m)
	}
	for text, m := range map[string]tideline.Member{ownerToken: owner, agentToken: w.members[1]} {
		if _, err := w.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.ws.ID, MemberID: m.ID, Name: "bench", CreatedAt: now}, sha256.Sum256([]byte(text))); err != nil {
			return err
		}
	}
	for i := range accounts {
		phone := tideline.Phone(fmt.Sprintf("+1484100%04d", i))
		a, err := w.store.PutAccount(ctx, tideline.Account{WorkspaceID: w.ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@" + tideline.ServerUser,
			Phone: phone, State: tideline.AccountActive, ConnectedOn: now, OwnerEmail: memberEmail(i), CreatedAt: now})
		if err != nil {
			return err
		}
		w.accounts = append(w.accounts, a)
	}
	if err := fill.InParallel(fillers, o.Messages, func(i int) error { return w.storeMessage(ctx, o, now, i) }); err != nil {
		return err
	}
	return fill.InParallel(fillers, o.Chats, func(i int) error { return w.workOn(ctx, o, i) })
}

// storeMessage stores message i: the first of each chat, then a hundredth of the
// rest in the first chat and the others in turn.
func (w *world) storeMessage(ctx context.Context, o *options, now time.Time, i int) error {
	chat := i % o.Chats
	if i >= o.Chats && i%100 == 0 {
		chat = 0
	}
	uid, err := uuid.NewV7()
	if err != nil {
		return err
	}
	peer := peerOf(chat)
	r := store.Reception{WorkspaceID: w.ws.ID, AccountID: w.accounts[chat%accounts].ID, Chat: peer, Sender: peer, FromMe: i%2 == 1,
		At: now.Add(time.Duration(i-o.Messages) * time.Second), ReceivedAt: now,
		Message: &store.NewInbound{UID: uid.String(), WhatsAppID: fmt.Sprintf("3EB0%012X", i), Kind: tideline.KindText, Text: fmt.Sprintf("Message %d: what customers and shops say to each other, of some length.", i)}}
	if r.FromMe {
		r.Sender = tideline.Peer{}
	}
	_, err = w.store.Receive(ctx, r)
	return err
}

// workOn does with chat i what a team does.
func (w *world) workOn(ctx context.Context, o *options, i int) error {
	if i%3 != 0 && i%10 != 0 && i%7 != 0 {
		return nil
	}
	// The message is there already: this finds its chat.
	uid, err := uuid.NewV7()
	if err != nil {
		return err
	}
	peer := peerOf(i)
	got, err := w.store.Receive(ctx, store.Reception{WorkspaceID: w.ws.ID, AccountID: w.accounts[i%accounts].ID, Chat: peer, Sender: peer, At: time.Now(), ReceivedAt: time.Now(),
		FromMe: i%2 == 1, Message: &store.NewInbound{UID: uid.String(), WhatsAppID: fmt.Sprintf("3EB0%012X", i), Kind: tideline.KindText}})
	if err != nil {
		return err
	}
	if i%3 == 0 {
		names := []string{fmt.Sprint("label ", i%labels)}
		if i < 30 {
			names = append(names, "rare")
		}
		if _, err := w.store.PutLabels(ctx, w.ws.ID, got.ChatID, names, false); err != nil {
			return err
		}
	}
	u := store.ChatUpdate{At: time.Now()}
	if i%10 == 0 {
		u.Responsible = &w.members[1+i/10%(members-1)].ID
	}
	if i%7 == 0 {
		u.Closed = new(true)
	}
	return w.store.UpdateChat(ctx, w.ws.ID, got.ChatID, u)
}

// look reads what requests will name.
func (w *world) look(ctx context.Context) error {
	var err error
	if w.accounts, _, err = w.store.AccountsOf(ctx, w.ws.ID); err != nil {
		return err
	}
	for page := 0; ; page++ {
		views, more, err := w.store.ListChats(ctx, w.ws.ID, store.ChatFilter{}, store.Page{Offset: page * 5000, Limit: 5000})
		if err != nil {
			return err
		}
		for _, v := range views {
			w.chats = append(w.chats, v.Chat.ID)
			if len(w.uids) < 10000 {
				w.uids = append(w.uids, v.LastMessageUID)
			}
		}
		if !more {
			return nil
		}
	}
}

// serve serves the API on loopback.
func (w *world) serve(ctx context.Context, dir string) error {
	blobs, err := local.Open(filepath.Join(dir, "files"))
	if err != nil {
		return err
	}
	w.closers = append(w.closers, blobs.Close)
	key, err := w.store.Secret(ctx, file.LinkSecret, file.LinkSecretSize)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	who := auth.New(w.store, auth.Config{})
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: httpapi.New(httpapi.Config{}, httpapi.Deps{
		Auth: who, Messages: message.New(message.Deps{Store: w.store, Refresher: who}), Team: team.New(w.store, nil), Storage: w.store,
		Files: file.New(file.Config{LinkKey: key}, file.Deps{Storage: w.store, Blobs: blobs, Log: log}), Meter: httpapi.NewMeter(w.store, log, nil), Log: log,
	})}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	w.closers = append(w.closers, func() error {
		err := srv.Close()
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	})
	return nil
}

func memberEmail(i int) string { return fmt.Sprintf("member%d@example.com", i) }

func phoneOf(chat int) tideline.Phone { return tideline.Phone(fmt.Sprintf("+1484%07d", 2000000+chat)) }

// peerOf is who chat is with.
func peerOf(chat int) tideline.Peer {
	if chat%20 == 19 {
		return tideline.Peer{JID: tideline.JID(fmt.Sprintf("1203630%011d@g.us", chat)), Name: fmt.Sprintf("Group %06d", chat)}
	}
	return tideline.Peer{JID: phoneOf(chat).JID(), Name: fmt.Sprintf("Customer %06d", chat)}
}
