package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/bench/internal/null"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// serve is one side: a server on a free loopback port, whose address is the
// first line that it prints.
func serve(ctx context.Context, o *options) (err error) {
	mux := http.NewServeMux()
	var stats func() sqlstore.Stats
	switch o.Role {
	case "null":
		mux.Handle("POST "+httpapi.Base+"/messages", null.Handler(tokens()...))
		stats = func() sqlstore.Stats { return sqlstore.Stats{} }
	case "naive", "tideline", "empty":
		batch := 0 // the default
		if o.Role == "naive" {
			batch = 1
		}
		st, err := sqlstore.Open(ctx, sqlstore.Options{Database: o.Data, MaxBatch: batch})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, st.Close()) }()
		api, closeAPI, err := stack(ctx, st)
		if err != nil {
			return err
		}
		defer closeAPI()
		mux.Handle(httpapi.Base+"/", api)
		stats = st.Stats
	default:
		return fmt.Errorf("no role %q", o.Role)
	}
	mux.HandleFunc("GET /bench/stats", func(w http.ResponseWriter, _ *http.Request) { _ = json.MarshalWrite(w, stats()) })

	if o.Profile != "" {
		f, err := os.Create(filepath.Join(o.Profile, o.Role+".pprof"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	telemetry.TuneGC()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stack wires acceptance as the product does: authentication, decoding,
// validation, lookups, the store and the outbox's queue. Nothing is sent: this
// is about accepting.
func stack(ctx context.Context, st *sqlstore.Store) (http.Handler, func(), error) {
	dir, err := os.MkdirTemp("", "tideline-bench-blobs-")
	if err != nil {
		return nil, nil, err
	}
	blobs, err := local.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	queue := outbox.New(outbox.Deps{Store: st, Sender: nowhere{}, Blobs: blobs, Logger: log}, outbox.Config{})
	if err := queue.Load(ctx); err != nil {
		return nil, nil, err
	}
	key, err := st.Secret(ctx, file.LinkSecret, file.LinkSecretSize)
	if err != nil {
		return nil, nil, err
	}
	who := auth.New(st, auth.Config{})
	h := httpapi.New(httpapi.Config{}, httpapi.Deps{
		Auth:     who,
		Messages: message.New(message.Deps{Store: st, Refresher: who, NewMessageID: newMessageID}),
		Files:    file.New(file.Config{LinkKey: key}, file.Deps{Storage: st, Blobs: blobs, Log: log}),
		Team:     team.New(st, nil),
		Storage:  st,
		Meter:    httpapi.NewMeter(st, log, nil),
		Log:      log,
	})
	return h, func() { _ = blobs.Close(); _ = os.RemoveAll(dir) }, nil
}

// newMessageID draws ids in the form that the connector's have, at the same cost.
func newMessageID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return "3EB0" + strings.ToUpper(hex.EncodeToString(b[:]))
}

// nowhere is a connector without an account.
type nowhere struct{}

func (nowhere) Send(context.Context, whatsapp.Outgoing) (whatsapp.Sent, error) {
	return whatsapp.Sent{}, &whatsapp.SendError{Offline: true, Err: errors.New("no accounts here")}
}

// tokens are those of all workspaces.
func tokens() []string {
	all := make([]string, workspaces)
	for ws := range all {
		all[ws] = token(ws)
	}
	return all
}
