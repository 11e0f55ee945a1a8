package meow

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"

	signallog "go.mau.fi/libsignal/logger"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// libraryLogger passes what whatsmeow says on at debug level, whatever level the
// library thinks it has: its words contain phone numbers and stanzas.
type libraryLogger struct {
	log *slog.Logger
}

var _ waLog.Logger = libraryLogger{}

func (l libraryLogger) Debugf(format string, args ...any) { l.write("debug", format, args) }
func (l libraryLogger) Infof(format string, args ...any)  { l.write("info", format, args) }
func (l libraryLogger) Warnf(format string, args ...any)  { l.write("warn", format, args) }
func (l libraryLogger) Errorf(format string, args ...any) { l.write("error", format, args) }

// Sub gives the logger itself: a logger per module and client would cost memory
// for every idle account.
func (l libraryLogger) Sub(string) waLog.Logger { return l }

func (l libraryLogger) write(level, format string, args []any) {
	// Stanzas are formatted to text only when somebody wants to see them.
	if !l.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	l.log.Debug("whatsapp library", "library_level", level, "text", fmt.Sprintf(format, args...))
}

// quiet gives err without telephone numbers and hidden ids in its text: the
// library likes to name whom it could not reach, and errors are logged above
// debug level. What it wraps stays the same.
func quiet(err error) error {
	if err == nil {
		return nil
	}
	return quietError{err}
}

type quietError struct{ error }

// longNumber is what could be a telephone number.
var longNumber = regexp.MustCompile(`[0-9]{7,}`)

func (e quietError) Error() string { return longNumber.ReplaceAllString(e.error.Error(), "…") }
func (e quietError) Unwrap() error { return e.error }

// signalLog is where libsignal's words go, once a connector was opened.
var signalLog atomic.Pointer[slog.Logger]

// libsignal keeps its logger in a package variable without a guard, prints to
// standard output when there is none, and is used by the emulated network of a
// sandbox as well, before a connector is opened. The only time to set it that is
// safe is before the first goroutine.
func init() {
	var l signallog.Loggable = signalLogger{}
	signallog.Setup(&l)
}

// signalLogger does for libsignal what libraryLogger does for whatsmeow.
type signalLogger struct{}

func (signalLogger) Debug(string, string)         {} // every step of every ratchet
func (l signalLogger) Info(caller, msg string)    { l.write("info", caller, msg) }
func (l signalLogger) Warning(caller, msg string) { l.write("warn", caller, msg) }
func (l signalLogger) Error(caller, msg string)   { l.write("error", caller, msg) }
func (signalLogger) Configure(string)             {}

func (signalLogger) write(level, caller, msg string) {
	if log := signalLog.Load(); log != nil {
		log.Debug("signal library", "library_level", level, "caller", caller, "text", msg)
	}
}
