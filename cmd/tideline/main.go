// Command tideline is a self-hosted WhatsApp messaging API: the server, and the
// commands with which its operator looks after it. It is the only place where
// the rooms of this repository are wired together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // workspaces have time zones, also on machines without a database of them

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it was understood, and went wrong
	exitUsage   = 2 // it was not understood
)

func main() {
	keepPrivate()
	ignoreEmptyVariables()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// ignoreEmptyVariables makes a variable that is set to nothing count as not set:
// compose files and unit files pass variables on that way.
func ignoreEmptyVariables() {
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); value == "" && strings.HasPrefix(name, "TIDELINE_") {
			_ = os.Unsetenv(name) // the name came from the environment, so it is one
		}
	}
}

// run executes one command line and gives the exit code. Results go to out,
// everything else to notes.
func run(ctx context.Context, args []string, out, notes io.Writer) int {
	var c cli
	parser, err := newParser(&c, out, notes)
	if err != nil {
		fmt.Fprintf(notes, "tideline: %v\n", err)
		return exitFailure
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usage(parser, err, notes)
	}
	a := &app{config: &c.Common, out: out, notes: notes}
	ctx = tideline.WithActor(ctx, tideline.Actor{Via: tideline.ViaCommand}) // serve names others
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(a); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			fmt.Fprintln(notes, "tideline: stopped")
			return exitFailure
		}
		fmt.Fprintf(notes, "tideline: %s\n", explain(err))
		if tideline.IsCode(err, tideline.CodeValidation) {
			return exitUsage
		}
		return exitFailure
	}
	return exitOK
}

// newParser makes the parser of c: flags, environment and configuration file.
func newParser(c *cli, out, notes io.Writer) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("tideline"),
		kong.Description("A self-hosted WhatsApp messaging API.\n\nStart with: tideline serve --sandbox"),
		kong.Writers(out, notes),
		kong.DefaultEnvars("TIDELINE"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ShortUsageOnError(),
		kong.WithBeforeResolve(func(ctx *kong.Context) error { return addFile(c, ctx) }),
	)
}

// addFile lets the configuration file, if there is one, set what flags and
// environment leave open.
func addFile(c *cli, ctx *kong.Context) error {
	// The fields of c are not filled in yet, only looked up.
	var at config.Common
	for _, flag := range ctx.Model.Flags {
		switch value := ctx.FlagValue(flag); flag.Name {
		case "config":
			at.Config, _ = value.(string)
		case "data":
			at.Data, _ = value.(string)
		case "sandbox":
			at.Sandbox, _ = value.(bool)
		}
	}
	file, err := config.LoadFile(&at)
	if err != nil || file == nil {
		return err
	}
	if err := file.Validate(ctx.Model); err != nil {
		return err
	}
	ctx.AddResolver(file)
	return nil
}

// usage reports a command line that was not understood.
func usage(parser *kong.Kong, err error, notes io.Writer) int {
	command := "tideline"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			command = node.FullPath() // without arguments, which --help doesn't take
		}
	}
	fmt.Fprintf(notes, "tideline: %v\nRun \"%s --help\" for how to use it.\n", err, command)
	return exitUsage
}

// explain gives what to tell the operator about err: its message where it has
// one, with its cause, since the operator is the one who can do something.
func explain(err error) string {
	e, ok := errors.AsType[*tideline.Error](err)
	if !ok {
		return databaseAdvice(err) + err.Error()
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

// databaseAdvice says what to do about a database that can't be worked with, to
// be put before the cause; "" when err is about something else.
func databaseAdvice(err error) string {
	known, unavailable := errors.AsType[*store.UnavailableError](err)
	switch {
	case sqlstore.Locked(err):
		return "another program holds the database: end what works on it besides Tideline, such as a backup or an sqlite3 shell, and try again: "
	case unavailable && known.Trouble != store.TroubleUnreachable:
		return fmt.Sprintf("%s: %s: ", known.Trouble, known.Trouble.Advice())
	case sqlstore.Unreachable(err):
		return "no connection to PostgreSQL: check that it runs, and the host, user, password and name in --database: "
	}
	return ""
}
