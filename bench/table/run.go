package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// grace is how long a benchmark that is ended may take to clean up.
const grace = 30 * time.Second

// clusterSettings are what somebody would set who runs PostgreSQL for Tideline on
// a machine of 4 GB or more. Durability stays as it is.
func clusterSettings() []string {
	return []string{"shared_buffers=1GB", "max_wal_size=4GB", "wal_compression=on"}
}

// runner runs benchmarks.
type runner struct {
	o       *options
	dir     string // for programs
	commit  string
	book    *book
	cluster *testenv.Cluster // nil until it is needed
}

// runAll runs what is asked for and saves the book after each. It gives an error
// when a benchmark failed, after the others.
func runAll(ctx context.Context, o *options, b *book, save func() error) (err error) {
	dir, err := os.MkdirTemp("", "tideline-table-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &runner{o: o, dir: dir, commit: commit(ctx), book: b}
	before := b.Machine
	if b.Machine, err = lookAround(dir); err != nil {
		return err
	}
	b.Machine.PostgreSQL = before.PostgreSQL // until it is known better
	defer func() {
		if r.cluster != nil {
			err = errors.Join(err, r.cluster.Stop())
		}
	}()
	var failed []error
	began := time.Now()
	for _, run := range goals.Runs() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, run.ID) {
			continue
		}
		for _, d := range []goals.Database{goals.SQLite, goals.PostgreSQL} {
			if !run.On(d) || o.Database != "both" && o.Database != string(d) {
				continue
			}
			if time.Since(began) > o.Within {
				failed = append(failed, fmt.Errorf("%s was not begun within %s: run it alone, with --only %s", key(run.ID, d), o.Within, run.ID))
				continue
			}
			res := r.one(ctx, run, d)
			if ctx.Err() != nil {
				return errors.Join(append(failed, fmt.Errorf("%s was broken off; what was done before is kept", key(run.ID, d)))...)
			}
			if res.Error != "" {
				failed = append(failed, fmt.Errorf("%s: %s", key(run.ID, d), res.Error))
			}
			b.put(run.ID, d, res)
			if err := save(); err != nil {
				return err
			}
		}
	}
	return errors.Join(failed...)
}

// one runs a benchmark on a database.
func (r *runner) one(ctx context.Context, run goals.Run, d goals.Database) *result {
	args := run.Args
	if r.o.Quick {
		args = run.Quick
	}
	res := &result{
		Date: today(), Commit: r.commit, Quick: r.o.Quick, Busy: busy(ctx, time.Second),
		Command: strings.Join(append([]string{"go run ./bench/" + run.Bench}, args...), " "),
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", key(run.ID, d), res.Command)
	began := time.Now()
	err := r.measure(ctx, run, d, args, res)
	res.Seconds = float64(time.Since(began).Round(time.Second) / time.Second)
	if err != nil {
		res.Error = err.Error()
		fmt.Fprintf(os.Stderr, "%s failed: %v\n", key(run.ID, d), err)
	}
	return res
}

func (r *runner) measure(ctx context.Context, run goals.Run, d goals.Database, args []string, res *result) (err error) {
	program, err := r.build(ctx, run.Bench)
	if err != nil {
		return err
	}
	args = append(slices.Clone(args), "--json")
	if d == goals.PostgreSQL {
		database, drop, err := r.database(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, drop()) }()
		args = append(args, "--database", database)
	}
	ctx, cancel := context.WithTimeout(ctx, run.Bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	// One that found something wrong has figures all the same.
	if out.Len() > 0 {
		if bad := json.Unmarshal(out.Bytes(), &res.Figures); bad != nil && err == nil {
			err = fmt.Errorf("read what it printed: %w", bad)
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("not done within %s", run.Bound)
	case err != nil:
		return fmt.Errorf("%w: %s", err, lastLine(said.String()))
	default:
		return nil
	}
}

// build compiles a benchmark, and the first time only.
func (r *runner) build(ctx context.Context, bench string) (string, error) {
	program := filepath.Join(r.dir, bench)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./bench/"+bench).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build it (run this in the repository): %w\n%s", err, out)
	}
	return program, nil
}

// database makes an empty one, on a server that is started the first time.
func (r *runner) database(ctx context.Context) (url string, drop func() error, err error) {
	if r.cluster == nil {
		if r.cluster, err = testenv.StartCluster(ctx, clusterSettings()...); err != nil {
			return "", nil, err
		}
		if r.book.Machine.PostgreSQL, err = r.cluster.Version(ctx); err != nil {
			return "", nil, err
		}
	}
	return r.cluster.Create(ctx)
}

// lastLine is what a program said last, which is why it ended.
func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return lines[len(lines)-1]
}
