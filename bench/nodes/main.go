// Command nodes lets several servers share one PostgreSQL database and one
// emulated WhatsApp, and does to them at random what happens to machines: they are
// killed, frozen, cut off from the database, restarted in turn, and the database's
// clock jumps. Programs send through whichever node is ready, people write back. At the
// end a checker reads every phone, the database and the ledger, and everything
// must be accounted for.
//
// The nodes are the real program, a process each, with a proxy of their own before
// the database. The WhatsApp network is in this process.
//
//	go run ./bench/nodes --database postgres://user@127.0.0.1/empty_database
//	go run ./bench/nodes --database … --minutes 30 --seed 7 --json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"

	bench "github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Nodes     int           `help:"Servers." default:"3"`
	Accounts  int           `help:"Accounts to pair." default:"9"`
	Customers int           `help:"Phones of customers." default:"6"`
	Minutes   float64       `help:"How long traffic and faults go on." default:"5"`
	Think     time.Duration `help:"Mean pause of a program between two messages; each account has two programs." default:"600ms"`
	Drain     time.Duration `help:"How long all may take to settle afterwards." default:"3m"`
	Seed      uint64        `help:"Of the random choices; 0 draws one."`
	Database  string        `help:"URL of an empty PostgreSQL database, of a role that owns it; it is filled and not cleaned up." required:""`
	Binary    string        `help:"The program to run; built from this repository when not given." placeholder:"FILE"`
	Dir       string        `help:"Folder for the nodes' data and logs; a new one when not given." placeholder:"DIR"`
	JSON      bool          `name:"json" help:"Print one JSON object."`

	progress func(format string, args ...any)
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Kill, freeze and cut off the nodes of one service, and account for every message."))
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	o.progress = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) (err error) {
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "tideline-nodes-"); err != nil {
			return err
		}
	}
	if o.Binary == "" {
		o.Binary = filepath.Join(o.Dir, "tideline")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.Binary, "github.com/tidelinehq/tideline/cmd/tideline")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the server: %w\n%s", err, out)
		}
	}
	rep, err := simulate(ctx, o)
	if rep != nil {
		err = errors.Join(err, rep.write(o.JSON))
		fmt.Fprintln(os.Stderr, "data and logs of the nodes:", o.Dir)
	}
	if err == nil && len(rep.wrong) > 0 {
		err = fmt.Errorf("%d things are wrong", len(rep.wrong))
	}
	return err
}

// report is what a simulation came to.
type report struct {
	Nodes     int     `json:"nodes"`
	Accounts  int     `json:"accounts"`
	Customers int     `json:"customers"`
	Minutes   float64 `json:"minutes"`
	Seed      uint64  `json:"seed"`

	Accepted    int `json:"accepted"`
	Sent        int `json:"sent"`
	Failed      int `json:"failed"`
	Inbound     int `json:"inbound"`
	Repeated    int `json:"sent_again"`
	AnswersLost int `json:"answers_lost"`
	Refused     int `json:"refused_for_now"`
	Moves       int `json:"account_moves"`
	Logins      int `json:"logins"`

	// Seconds from the fault until the first message of an account that the node
	// held goes out again.
	TakeoverMax    float64 `json:"takeover_seconds_max"`
	TakeoverMedian float64 `json:"takeover_seconds_median"`
	// RestartFailures are requests that failed during rolling restarts.
	Restarts        int `json:"rolling_restarts"`
	RestartRequests int `json:"rolling_restart_requests"`
	RestartFailures int `json:"rolling_restart_failures"`

	Wrong int `json:"wrong"`

	faults map[string]int
	wrong  []string
}

func (r *report) note(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// write prints the report.
func (r *report) write(asJSON bool) error {
	const most = 50 // of what is wrong
	for _, w := range r.wrong[:min(most, len(r.wrong))] {
		fmt.Fprintln(os.Stderr, "-", w)
	}
	r.Wrong = len(r.wrong)
	if asJSON {
		all := map[string]any{}
		for kind, n := range r.faults {
			all["fault_"+kind] = n
		}
		if err := bench.Add(all, r, 0); err != nil {
			return err
		}
		return bench.Write(os.Stdout, all)
	}
	fmt.Printf("%d nodes, %d accounts, %d customers, %.1f minutes, seed %d\n", r.Nodes, r.Accounts, r.Customers, r.Minutes, r.Seed)
	fmt.Printf("faults: %v\n", r.faults)
	line := func(name string, value any) { fmt.Printf("  %-58s %10v\n", name, value) }
	line("messages accepted", r.Accepted)
	line("  sent, once each on their phones", r.Sent)
	line("  failed with a reason, refunded", r.Failed)
	line("  that went over the wire again, under the same id", r.Repeated)
	line("messages from people, stored once each", r.Inbound)
	line("answers lost, asked for again with the same key", r.AnswersLost)
	line("answers that a node could not serve for now (5xx)", r.Refused)
	line("changes of an account's node", r.Moves)
	line("logins of accounts", r.Logins)
	line("s until an account of a lost node sends again, median", fmt.Sprintf("%.1f", r.TakeoverMedian))
	line("  at most", fmt.Sprintf("%.1f", r.TakeoverMax))
	line("rolling restarts", r.Restarts)
	line("  requests during them", r.RestartRequests)
	line("  of these failed", r.RestartFailures)
	line("wrong", r.Wrong)
	return nil
}
