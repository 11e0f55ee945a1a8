package config

import (
	"errors"
	"net/netip"
	"net/url"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// maxHistoryDays is more than WhatsApp is old.
const maxHistoryDays = 36500

// maxDrainDelay is as long as a server that was asked to stop is usually given.
const maxDrainDelay = 10 * time.Minute

// Serve are the settings of a running server.
type Serve struct {
	PublicURL       string         `placeholder:"URL" help:"Address under which clients reach this server, for links in answers, e.g. https://chat.example.com. Default: http:// and the listening address."`
	RateLimit       float64        `placeholder:"N" default:"1000" help:"Requests per second that one client address may make; 0 = no limit (${default})."`
	TrustedProxy    []netip.Prefix `placeholder:"CIDR" help:"Networks of reverse proxies whose X-Forwarded-For is believed, e.g. 10.0.0.0/8. Default: none."`
	AllowNetwork    []netip.Prefix `placeholder:"CIDR" help:"Private or special networks that webhooks may be in, e.g. 10.0.0.0/8. Default: none, with --sandbox this machine."`
	SendDeadline    time.Duration  `placeholder:"TIME" default:"24h" help:"How long a message may wait for its account before it fails and its credits come back (${default})."`
	HistoryDays     int            `placeholder:"N" default:"30" help:"How many days back the chats of a newly paired phone are taken in, as far as the phone sends them; 0 = not at all (${default})."`
	WhatsAppVersion string         `name:"whatsapp-version" placeholder:"VERSION" help:"WhatsApp Web version to announce, e.g. 2.3000.1047769893, when WhatsApp refuses the one built in. Default: the one built in."`
	Network         string         `placeholder:"URL" help:"With --sandbox: join the emulated network whose control API is at this address, e.g. http://127.0.0.1:4433 (see tideline wasim), instead of running one."`
	DrainDelay      time.Duration  `placeholder:"TIME" default:"0s" help:"How long the server goes on answering after it was asked to stop, while /readyz says that it stops, so that a load balancer sends nothing any more (${default})."`
	Voice           `embed:""`
	Keep            `embed:""`
	Files           `embed:""`
	LogLevel        string `placeholder:"LEVEL" enum:"debug,info,warn,error" default:"info" help:"Least important lines to log: debug, info, warn or error (${default}). Only debug may show phone numbers."`
	LogFormat       string `placeholder:"FORMAT" enum:"text,json" default:"text" help:"Form of the log on standard error: text or json (${default})."`
}

// Check reports settings that make no sense alone or together with c. The
// error's code is CodeValidation.
func (s *Serve) Check(c *Common) error {
	if err := errors.Join(c.Check(), s.Files.Check(c)); err != nil {
		return err
	}
	switch {
	case s.RateLimit < 0:
		return invalid("--rate-limit %v is negative; use 0 for no limit", s.RateLimit)
	case s.SendDeadline < time.Minute:
		return invalid("--send-deadline %s is too short; use at least 1m", s.SendDeadline)
	case s.HistoryDays < 0 || s.HistoryDays > maxHistoryDays:
		return invalid("--history-days %d is not a number of days from 0 to %d; use 0 to take nothing in", s.HistoryDays, maxHistoryDays)
	}
	if err := s.checkKeep(); err != nil {
		return err
	}
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return invalid("--public-url %q is not an address such as https://chat.example.com", s.PublicURL)
		}
	}
	if s.DrainDelay < 0 || s.DrainDelay > maxDrainDelay {
		return invalid("--drain-delay %s is not between 0s and %s", s.DrainDelay, maxDrainDelay)
	}
	if c.Sandbox {
		return s.checkSandbox(c)
	}
	if s.Network != "" {
		return invalid("--network is an emulated network: use it with --sandbox")
	}
	return nil
}

// checkSandbox refuses what would let a sandbox reach beyond this machine, or
// be reached from beyond it.
func (s *Serve) checkSandbox(c *Common) error {
	if !ListensOnLoopback(c.Listen) {
		return invalid("a sandbox listens on this machine only: use --listen 127.0.0.1:8080 instead of %s", c.Listen)
	}
	if s.Network != "" {
		u, err := url.Parse(s.Network)
		if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) {
			return invalid("--network %q is not an address on this machine such as http://127.0.0.1:4433", s.Network)
		}
	}
	if c.OnPostgres() && !databaseOnLoopback(c.DatabaseURL()) {
		return invalid("a sandbox uses a database on this machine only: name localhost, a loopback address or a socket folder in --database")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return tideline.Errorf(tideline.CodeValidation, format, args...)
}
