package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/wasim"
)

type wasimCmd struct {
	Dir      string `placeholder:"DIR" type:"path" help:"Folder that keeps phones, pairings and messages. Without it they are gone with the process."`
	TLS      bool   `name:"tls" help:"Serve wss:// and https:// too, on a free port."`
	LogLevel string `default:"warn" enum:"debug,info,warn,error" help:"Least level to log: ${enum} (${default})."`
}

// Help implements kong.HelpProvider.
func (wasimCmd) Help() string {
	return `Runs an emulated WhatsApp network by itself, for clients in any language: point one at the printed WebSocket address and root key, add phones and scan its QR code through the control API. It prints one line of JSON and runs until Ctrl-C.

    tideline wasim --listen 127.0.0.1:4433 --tls

docs/sandbox.md describes the control API. It listens on this machine only and has no authentication: whoever can reach it can act as any of its phones.`
}

// Run runs the network.
func (c *wasimCmd) Run(ctx context.Context, a *app) error {
	log, err := telemetry.NewLogger(a.notes, telemetry.LogOptions{Level: c.LogLevel, Format: "text"})
	if err != nil {
		return err
	}
	options := wasim.Options{Listen: a.config.Listen, Control: true, Dir: c.Dir, Logger: log}
	if c.TLS {
		host, _, err := net.SplitHostPort(a.config.Listen)
		if err != nil {
			return err
		}
		options.TLSListen = net.JoinHostPort(host, "0")
	}
	srv, err := wasim.Start(ctx, options)
	if refused, ok := errors.AsType[*net.OpError](err); ok && refused.Op == "listen" {
		return fmt.Errorf("%w: choose another address with --listen; port 0 picks a free one", err)
	}
	if err != nil {
		return err
	}
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(srv.Network()); err != nil {
		a.note("tideline: %v", err)
	}
	<-ctx.Done()
	return srv.Close()
}
