// Command accounts measures what accounts cost over the real protocol: memory
// for each that is connected and idle, and processor time for each message from
// its acceptance to the acknowledgement being stored. The WhatsApp network is
// the emulator, in a process of its own, so that only Tideline is counted.
//
//	go run ./bench/accounts                       # 200 accounts, 5,000 messages
//	go run ./bench/accounts --accounts 1000 --messages 0 --json
//
// With --steady all accounts send and receive for a while, each a message every few
// seconds, through a whole server with API, pages and webhooks in a third process.
// That shows what the server takes of the machine, by part and by account, whether
// it grows, and that each message arrived once.
//
//	go run ./bench/accounts --steady --accounts 1000 --minutes 10
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Accounts int    `help:"Accounts to pair and connect." default:"200"`
	Messages int    `help:"Messages to send, spread over the accounts." default:"5000"`
	Contacts int    `help:"Different recipients of each account." default:"5"`
	Seconds  int    `help:"Give up after so many seconds; with --steady so many beside its minutes." default:"300"`
	Database string `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	Profile  string `help:"File for a CPU profile of the sending."`
	JSON     bool   `name:"json" help:"Print one JSON object."`

	Steady  bool          `help:"Have all accounts send and receive for a while."`
	Minutes float64       `help:"How long that is." default:"10"`
	Every   time.Duration `help:"Pause between two messages that programs ask an account for, with --steady." default:"5s"`
	Hear    time.Duration `help:"Pause between two messages that people write to an account, with --steady." default:"10s"`

	Pair string `hidden:"" help:"Only pair the accounts: with the network that this JSON describes …"`
	Dir  string `hidden:"" help:"… and with the databases in this folder."`
}

// result is what was measured. Memory is KiB per account, of the whole process
// with what it held before it opened its databases taken off.
type result struct {
	Accounts         int     `json:"accounts"`
	PairSeconds      float64 `json:"pair_seconds"`
	ReconnectSeconds float64 `json:"reconnect_seconds"`
	RSSPerAccount    float64 `json:"rss_kib_per_account"`
	HeapPerAccount   float64 `json:"heap_kib_per_account"`
	BaseRSS          float64 `json:"base_rss_mib"`
	Goroutines       float64 `json:"goroutines_per_account"`
	Messages         int     `json:"messages"`
	MessagesPerSec   float64 `json:"messages_per_second"`
	CPUPerMessage    float64 `json:"cpu_ms_per_message"`
	EmulatorCPU      float64 `json:"emulator_cpu_ms_per_message"`
}

func main() {
	roles := child.Roles{network.Role: network.Serve, node.Role: node.Serve}
	if asked, err := roles.Play(); asked {
		exit(err)
	}
	var o options
	kong.Parse(&o, kong.Description("Measure memory of idle accounts and processor time per message over the emulated network."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, &o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "accounts:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o *options) error {
	limit := time.Duration(o.Seconds) * time.Second
	if o.Steady {
		limit += time.Duration(o.Minutes * float64(time.Minute))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if o.Steady {
		r, err := steady(ctx, o)
		return errors.Join(err, r.show(o))
	}
	if o.Pair != "" {
		return pairOnly(ctx, o)
	}
	r, err := measure(ctx, o)
	if err != nil {
		return err
	}
	if o.JSON {
		all := map[string]any{"bench": "accounts"}
		if err := report.Add(all, r, 0); err != nil {
			return err
		}
		return report.Write(os.Stdout, all)
	}
	fmt.Printf("%d accounts over the emulated network, which runs in another process\n", r.Accounts)
	line := func(name, format string, value float64, goal string) {
		fmt.Printf("  %-46s %10s   %s\n", name, fmt.Sprintf(format, value), goal)
	}
	line("pairing all of them, s", "%.1f", r.PairSeconds, "")
	line("connecting all of them after a restart, s", "%.1f", r.ReconnectSeconds, goals.Words("accounts", "reconnect_seconds")+" for 1,000")
	line("resident KiB per connected, idle account", "%.0f", r.RSSPerAccount, goals.Words("accounts", "rss_kib_per_account"))
	line("live heap KiB per connected, idle account", "%.0f", r.HeapPerAccount, "")
	line("resident MiB before the databases were opened", "%.0f", r.BaseRSS, "")
	line("goroutines per account", "%.1f", r.Goroutines, "")
	if r.Messages > 0 {
		line(fmt.Sprintf("messages/s, %d messages", r.Messages), "%.0f", r.MessagesPerSec, "")
		line("CPU ms per message, accepted to settled", "%.2f", r.CPUPerMessage, goals.Words("accounts", "cpu_ms_per_message"))
		line("CPU ms per message of the emulator", "%.2f", r.EmulatorCPU, "")
	}
	return nil
}
