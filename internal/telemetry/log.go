package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// LogOptions says how to log.
type LogOptions struct {
	Level  string // debug, info, warn or error; "" = info
	Format string // text or json; "" = text
}

// NewLogger makes a logger that writes to w and keeps secrets and personal data
// out of every line above debug level (see redactor).
func NewLogger(w io.Writer, o LogOptions) (*slog.Logger, error) {
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: use debug, info, warn or error", o.Level)
		}
	}
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler
	switch o.Format {
	case "json":
		h = slog.NewJSONHandler(w, options)
	case "", "text":
		h = slog.NewTextHandler(w, options)
	default:
		return nil, fmt.Errorf("log format %q: use text or json", o.Format)
	}
	return slog.New(redactor{next: h}), nil
}

// Secret is a text that logs and fmt don't show. Convert it to a string where
// it is really needed.
type Secret string

const hidden = "[hidden]"

// String hides the text from fmt.
func (s Secret) String() string { return hidden }

// GoString hides the text from %#v.
func (s Secret) GoString() string { return hidden }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
