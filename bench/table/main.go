// Command table runs the benchmarks one after the other, each in a process of its
// own and on both databases, and writes the table of docs/performance.md: what each
// figure must reach, what it reaches, and how to measure it. PostgreSQL is started
// for the purpose. The figures are kept in docs/performance.json, so that one
// benchmark can be run again by itself; what is there from before keeps its date.
//
//	go run ./bench/table                         # everything
//	go run ./bench/table --only accept,reads     # these again
//	go run ./bench/table --quick                 # whether everything works, in ten minutes
//	go run ./bench/table --render                # only write the table again
//
// A quick run's figures are too few to judge by: they never replace those of a
// whole one, and the table shows them without a verdict. The command fails when a
// benchmark did.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/goals"
)

type options struct {
	Only     []string      `help:"Run these only, by the names in the table's last column."`
	Database string        `help:"sqlite, postgresql or both." enum:"sqlite,postgresql,both" default:"both"`
	Quick    bool          `help:"Short runs, which show that everything works."`
	Within   time.Duration `help:"Begin no run after that time; the figures of those that are left out stay as they are." default:"45m"`
	Render   bool          `help:"Run nothing; write the table from the figures that are there."`
	Docs     string        `help:"Folder with performance.md and performance.json." default:"docs"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Run the benchmarks and write the table of docs/performance.md."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	page, figures := filepath.Join(o.Docs, "performance.md"), filepath.Join(o.Docs, "performance.json")
	book, err := readBook(figures)
	if err != nil {
		return err
	}
	var failed error
	if !o.Render {
		if err := checkNames(o.Only); err != nil {
			return err
		}
		failed = runAll(ctx, o, book, func() error { return book.write(figures) })
	}
	return errors.Join(failed, writeTable(page, book))
}

func checkNames(names []string) error {
	var known []string
	for _, r := range goals.Runs() {
		known = append(known, r.ID)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no benchmark %q: name some of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}
