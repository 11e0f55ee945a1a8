// Command soak lets hundreds of accounts send and receive for a while, over the
// real protocol, while the network, the server and its storage fail at random. At
// the end every message must be accounted for on both sides, the memory of the
// server flat, and no goroutine of it left.
//
// The WhatsApp network is the emulator, in this process, which also plays the
// programs that send, the people who write, and the checker. The server is a
// process of its own, wired as the product is, so that it can be killed, and
// what is measured of it is its own.
//
//	go run ./bench/soak                                  # 200 accounts, 5 minutes
//	go run ./bench/soak --minutes 60 --seed 7 --json
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	bench "github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Accounts    int           `help:"Accounts to pair." default:"200"`
	Customers   int           `help:"Phones of customers." default:"50"`
	Minutes     float64       `help:"How long traffic and faults go on." default:"5"`
	Rate        float64       `help:"Messages a second that programs ask for, all accounts together." default:"40"`
	FaultEvery  time.Duration `help:"Mean pause between two faults of the network." default:"500ms"`
	ServerEvery time.Duration `help:"Mean pause between two ends of the server, while it isn't left alone; a tenth of all when zero."`
	SampleEvery time.Duration `help:"Pause between two looks at the memory." default:"5s"`
	Drain       time.Duration `help:"How long all may take to settle afterwards." default:"4m"`
	Seed        uint64        `help:"Of the random choices; 0 draws one."`
	Database    string        `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	Profile     string        `help:"Write the server's heap profile to FILE.middle and FILE.end." placeholder:"FILE"`
	JSON        bool          `name:"json" help:"Print one JSON object."`

	progress func(format string, args ...any)
}

func main() {
	if config := os.Getenv(serverEnv); config != "" {
		exit(serve(config))
	}
	var o options
	kong.Parse(&o, kong.Description("Send and receive under random faults over the emulated network, and account for every message."))
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	o.progress = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rep, err := soak(ctx, &o)
	if err == nil {
		err = write(rep, o.JSON)
	}
	if rep != nil && rep.log != "" {
		fmt.Fprintln(os.Stderr, "log of the servers:", rep.log)
	}
	if err == nil && rep.Unaccounted > 0 {
		err = fmt.Errorf("%d things are not accounted for", rep.Unaccounted)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// write prints the report.
func write(r *report, asJSON bool) error {
	const most = 50 // of what is wrong
	for _, note := range r.notes[:min(most, len(r.notes))] {
		fmt.Fprintln(os.Stderr, "-", note)
	}
	if asJSON {
		all := r.flat()
		if err := bench.Add(all, r, 0); err != nil {
			return err
		}
		return bench.Write(os.Stdout, all)
	}
	fmt.Printf("%d accounts and %d customers, %.1f minutes, seed %d\n", r.Accounts, r.Customers, r.Minutes, r.Seed)
	fmt.Printf("faults: %s\n", r.summary())
	line := func(name, format string, value any) { fmt.Printf("  %-52s %12s\n", name, fmt.Sprintf(format, value)) }
	line("messages a second, both ways", "%.0f", r.PerSecond)
	line("settled after, s", "%.0f", r.DrainedIn)
	line("outbound: accepted", "%d", r.Outbound)
	line("  sent, delivered and read, once each", "%d", r.Sent)
	line("  failed with a reason, and not shown", "%d", r.Failed)
	line("  failed although shown: acknowledgement lost", "%d", r.Unknown)
	line("inbound: copies to store", "%d", r.Inbound)
	line("reactions", "%d", r.Reacted)
	line("not accounted for", "%d", r.Unaccounted)
	line("messages that went over the wire again", "%d", r.Repeated)
	line("messages that phones asked for again", "%d", r.Retried)
	line("API answers lost, and asked for again", "%d", r.AnswersLost)
	line("servers, one after the other", "%d", r.Servers)
	line("logins", "%d", r.Logins)
	line(fmt.Sprintf("live heap, KiB, mean of the last %.1f min", r.trend.Minutes), "%.0f", r.Mean)
	line("  grows by, "+goals.Words("soak", "heap_slope_percent_per_minute"), "%.2f", r.Percent)
	line("  grows by, KiB a minute", "%.0f", r.Slope)
	line("  with the last messages that the library keeps", "%.0f", r.Raw)
	line("resident, MiB", "%.0f", r.RSS)
	line("goroutines, running", "%d", r.GoroutinesUp)
	line("goroutines left after an orderly stop", "%d", r.Left)
	return nil
}
