package telemetry

import (
	"context"
	"log/slog"
	"regexp"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// redactor is the last guard in front of the log. Code is meant not to log
// message texts, numbers and tokens; libraries put them into error texts. So
// above debug level attributes with telling names are hidden, and phone
// numbers, WhatsApp ids and tokens are cut out of every other value. Debug
// lines keep numbers and texts, but never tokens and passwords.
type redactor struct {
	next slog.Handler
	// bound are groups and attributes given with With, oldest first. They are
	// applied per record, because only the record knows its level.
	bound []binding
}

// binding is one WithGroup (group is set) or one WithAttrs.
type binding struct {
	group string
	attrs []slog.Attr
}

func (r redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return r.next.Enabled(ctx, level)
}

func (r redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return redactor{next: r.next, bound: append(r.bound[:len(r.bound):len(r.bound)], binding{attrs: attrs})}
}

func (r redactor) WithGroup(name string) slog.Handler {
	if name == "" {
		return r
	}
	return redactor{next: r.next, bound: append(r.bound[:len(r.bound):len(r.bound)], binding{group: name})}
}

func (r redactor) Handle(ctx context.Context, record slog.Record) error {
	debug := record.Level <= slog.LevelDebug
	clean := slog.NewRecord(record.Time, record.Level, scrub(record.Message, debug), record.PC)
	attrs := make([]slog.Attr, 0, record.NumAttrs())
	record.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, redact(a, debug))
		return true
	})
	for i := len(r.bound) - 1; i >= 0; i-- {
		b := r.bound[i]
		if b.group != "" {
			if len(attrs) > 0 { // as slog has it: empty groups are left out
				attrs = []slog.Attr{{Key: b.group, Value: slog.GroupValue(attrs...)}}
			}
			continue
		}
		outer := make([]slog.Attr, 0, len(b.attrs)+len(attrs))
		for _, a := range b.attrs {
			outer = append(outer, redact(a, debug))
		}
		attrs = append(outer, attrs...)
	}
	clean.AddAttrs(attrs...)
	return r.next.Handle(ctx, clean)
}

func redact(a slog.Attr, debug bool) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		group := v.Group()
		clean := make([]slog.Attr, len(group))
		for i, inner := range group {
			clean[i] = redact(inner, debug)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
	}
	switch key := strings.ToLower(a.Key); {
	case secretKeys[key], !debug && personalKeys[key]:
		return slog.String(a.Key, hidden)
	case v.Kind() == slog.KindString:
		return slog.String(a.Key, scrub(v.String(), debug))
	case v.Kind() != slog.KindAny:
		return slog.Attr{Key: a.Key, Value: v}
	}
	switch x := v.Any().(type) {
	case tideline.Phone:
		return slog.String(a.Key, scrub(string(x), debug))
	case tideline.JID:
		return slog.String(a.Key, scrub(string(x), debug))
	case error:
		return slog.String(a.Key, scrub(x.Error(), debug))
	case interface{ String() string }:
		return slog.String(a.Key, scrub(x.String(), debug))
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// secretKeys are hidden at every level, personalKeys above debug.
var (
	secretKeys   = map[string]bool{"token": true, "authorization": true, "password": true, "secret": true, "cookie": true}
	personalKeys = map[string]bool{
		"text": true, "caption": true, "body": true, "phone": true, "number": true, "recipient": true,
		"jid": true, "lid": true, "device": true, "push_name": true, "email": true, "chat_name": true, "file_name": true,
	}
)

var (
	tokenPattern  = regexp.MustCompile(`\btla_[0-9A-Za-z]{8,}`)
	userPattern   = regexp.MustCompile(`(://[^/\s:@]*):[^/\s@]*@`) // the password in a URL
	jidPattern    = regexp.MustCompile(`\b\d{5,20}(?:[.:]\d+)*@(?:s\.whatsapp\.net|c\.us|lid|g\.us|hosted(?:\.lid)?)\b`)
	numberPattern = regexp.MustCompile(`\+\d{7,15}\b`)
)

// scrub cuts secrets, and above debug level numbers and ids, out of s.
func scrub(s string, debug bool) string {
	if strings.Contains(s, "tla_") {
		s = tokenPattern.ReplaceAllString(s, "tla_"+hidden)
	}
	if strings.Contains(s, "://") {
		s = userPattern.ReplaceAllString(s, "$1:"+hidden+"@")
	}
	if debug {
		return s
	}
	if strings.Contains(s, "@") {
		s = jidPattern.ReplaceAllString(s, hidden)
	}
	if strings.Contains(s, "+") {
		s = numberPattern.ReplaceAllString(s, hidden)
	}
	return s
}
