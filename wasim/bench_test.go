package wasim_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

// benchClients links n clients that share one store.
func benchClients(b *testing.B, srv *wasim.Server, n int) []*whatsmeow.Client {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "wa.db")+
		"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	stores := sqlstore.NewWithDB(db, "sqlite", nil)
	if err = stores.Upgrade(b.Context()); err != nil {
		b.Fatal(err)
	}
	hc := srv.HTTPClient()
	b.Cleanup(hc.CloseIdleConnections)
	var clients []*whatsmeow.Client
	for i := range n {
		p, err := srv.AddPhone(b.Context(), wasim.PhoneOptions{Number: fmt.Sprintf("+1484100%04d", i)})
		if err != nil {
			b.Fatal(err)
		}
		c := whatsmeow.NewClient(stores.NewDevice(), nil)
		c.SetWebsocketHTTPClient(hc)
		c.SetPreLoginHTTPClient(hc)
		c.SetMediaHTTPClient(hc)
		qr, connected := make(chan string, 1), make(chan struct{}, 8)
		c.AddEventHandler(func(evt any) {
			switch e := evt.(type) {
			case *events.QR:
				qr <- e.Codes[0]
			case *events.Connected:
				connected <- struct{}{}
			}
		})
		if err = c.Connect(); err != nil {
			b.Fatal(err)
		}
		if err = p.ScanQR(b.Context(), <-qr); err != nil {
			b.Fatal(err)
		}
		<-connected
		b.Cleanup(c.Disconnect)
		clients = append(clients, c)
	}
	return clients
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSend sends texts one after the other, client and emulator in one process, and reports the CPU
// time of both.
func BenchmarkSend(b *testing.B) {
	for name, disk := range map[string]bool{"memory": false, "folder": true} {
		b.Run(name, func(b *testing.B) {
			var opts wasim.Options
			if disk {
				opts.Dir = b.TempDir()
			}
			srv, err := wasim.Start(b.Context(), opts)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = srv.Close() })
			if _, err = srv.AddPhone(b.Context(), wasim.PhoneOptions{Number: ana}); err != nil {
				b.Fatal(err)
			}
			c := benchClients(b, srv, 1)[0]
			send := func() {
				if _, err := c.SendMessage(b.Context(), jid(ana), &waE2E.Message{Conversation: proto.String("hello")}); err != nil {
					b.Fatal(err)
				}
			}
			send()
			start := cpu()
			for b.Loop() {
				send()
			}
			b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkIdle reports the memory of connected clients that do nothing, client and emulator together.
func BenchmarkIdle(b *testing.B) {
	const n = 100
	for b.Loop() {
		srv, err := wasim.Start(b.Context(), wasim.Options{})
		if err != nil {
			b.Fatal(err)
		}
		before := inUse()
		clients := benchClients(b, srv, n)
		b.ReportMetric(float64(inUse()-before)/n/1024, "KiB/client")
		for _, c := range clients {
			c.Disconnect()
		}
		_ = srv.Close()
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
