package meow

import (
	"errors"
	"log/slog"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

// settings are what whatsmeow keeps in package variables.
type settings struct {
	sandbox    bool
	rootKey    [32]byte // only in a sandbox
	keepAlive  KeepAlive
	deviceName string
}

// process remembers what the first Open of this process settled. The library's
// variables are read by the goroutines of every client, so they are written
// once, before the first client exists, and never again.
var process struct {
	mu      sync.Mutex
	settled bool
	is      settings
}

// settle applies want to the library, or checks that it is what applies already.
func settle(want settings, log *slog.Logger) error {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.settled {
		return process.is.conflict(want)
	}
	if want.sandbox {
		whatsmeow.WACertPubKey = want.rootKey
	}
	whatsmeow.KeepAliveIntervalMin = want.keepAlive.Min
	whatsmeow.KeepAliveIntervalMax = want.keepAlive.Max
	whatsmeow.KeepAliveResponseDeadline = want.keepAlive.Deadline
	store.DeviceProps.Os = proto.String(want.deviceName)
	// The kind of icon in the phone's list; it matches the client type that is
	// given when pairing by code (see pair.go).
	store.DeviceProps.PlatformType = waCompanionReg.DeviceProps_CHROME.Enum()

	signalLog.Store(log)

	process.settled, process.is = true, want
	return nil
}

// conflict says why want can't be had in a process that settled on s.
func (s settings) conflict(want settings) error {
	switch {
	case s == want:
		return nil
	case s.sandbox && !want.sandbox:
		return errors.New("this process is a sandbox: it can't connect to WhatsApp")
	case !s.sandbox && want.sandbox:
		return errors.New("this process connects to WhatsApp: it can't join a sandbox network")
	case s.rootKey != want.rootKey:
		return errors.New("this process joined another sandbox network already")
	default:
		return errors.New("another connector of this process has a different device name or keep-alive")
	}
}
