package main

import (
	"context"
	"errors"
	"os"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/sandbox"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type serveCmd struct {
	config.Serve `embed:""`
}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return `Runs the server until Ctrl-C. The first start makes a workspace with an owner and prints a token, once.

    tideline serve
    tideline account pair

With --sandbox WhatsApp itself runs inside the process: one account is paired by itself and a few customers receive, read and answer. Nothing leaves this machine, and a token is printed at every start.

    tideline serve --sandbox

Every setting is also an environment variable, and a key in the configuration file:

    TIDELINE_LISTEN=127.0.0.1:9000 tideline serve
    echo '{"listen": "127.0.0.1:9000", "log-format": "json"}' > tideline-data/tideline.json

Put a reverse proxy with TLS in front before you listen on another address than loopback: tokens travel in clear. GOGC and GOMEMLIMIT are respected; without them the garbage collector runs at 400 percent with a soft limit of 60 percent of the memory.

Ctrl-C lets requests and sends in hand finish; a second one ends the process at once, which loses nothing either.`
}

// Run runs the server.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if err := c.Check(a.config); err != nil {
		return err
	}
	log, err := telemetry.NewLogger(a.notes, telemetry.LogOptions{Level: c.LogLevel, Format: c.LogFormat})
	if err != nil {
		return err
	}
	if a.config.Sandbox {
		sandbox.Fence()
	}
	tuneMemory()
	if !config.ListensOnLoopback(a.config.Listen) && c.PublicURL == "" {
		a.note("tideline: warning: %s can be reached from other machines, and requests with their tokens are not encrypted. Put a reverse proxy with TLS in front and name its address with --public-url.", a.config.Listen)
	}
	ctx = tideline.WithActor(ctx, tideline.Actor{Via: tideline.ViaServer})
	s := &server{common: a.config, serve: &c.Serve, log: log, stack: newStack(log)}
	err = s.open(ctx)
	if err == nil {
		err = s.run(ctx, func(w welcomeJSON) error { return a.show(w, w.print) })
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // Ctrl-C came before the server was ready
	}
	if err = errors.Join(err, s.stack.down()); err == nil {
		log.InfoContext(ctx, "server stopped", "pid", os.Getpid())
	}
	return err
}
