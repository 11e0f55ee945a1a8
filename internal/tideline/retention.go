package tideline

import (
	"strconv"
	"strings"
	"time"
)

// Keep is for how many days something is kept, counted from its own time.
type Keep int

const (
	// KeepDefault stands in a workspace's setting for what holds on its server.
	KeepDefault Keep = -1
	// KeepForever deletes nothing.
	KeepForever Keep = 0
	// MinKeep is the shortest time, a week: by then WhatsApp has delivered what it
	// delivers twice, and phones have asked again for what they could not read.
	MinKeep Keep = 7
	// MaxKeep is the longest time that is not for ever.
	MaxKeep Keep = 36500
)

// MessageRest is how long a message stays in any case after it was stored and after
// its status changed last, however old it is: what came in from a phone's history or
// waited in a paused queue is not gone before somebody could see it, and nothing is
// deleted that a repeated request still has to find.
const MessageRest = 48 * time.Hour

// Archiving says what becomes of messages before they are deleted.
type Archiving string

// The kinds of archiving.
const (
	ArchiveDefault  Archiving = ""         // what holds on the server
	ArchiveNone     Archiving = "none"     // they are deleted
	ArchiveMessages Archiving = "messages" // they are written to the archive
	ArchiveFiles    Archiving = "files"    // and their files too
)

// Retention says for how long a workspace keeps messages and files.
type Retention struct {
	Messages Keep
	Files    Keep
	Archive  Archiving
}

// RetentionDefault is the setting of a workspace that has none of its own.
var RetentionDefault = Retention{Messages: KeepDefault, Files: KeepDefault}

// Or fills in what r leaves to the server.
func (r Retention) Or(server Retention) Retention {
	if r.Messages == KeepDefault {
		r.Messages = max(server.Messages, KeepForever)
	}
	if r.Files == KeepDefault {
		r.Files = max(server.Files, KeepForever)
	}
	if r.Archive == ArchiveDefault {
		r.Archive = server.Archive
	}
	if r.Archive == ArchiveDefault {
		r.Archive = ArchiveNone
	}
	return r
}

// UnusedFiles is for how long a file stays that no message used since: as long as
// files are kept, or messages if that is shorter, because the file of a message does
// not outlive it.
func (r Retention) UnusedFiles() Keep {
	switch {
	case r.Files <= KeepForever:
		return max(r.Messages, KeepForever)
	case r.Messages <= KeepForever:
		return r.Files
	}
	return min(r.Files, r.Messages)
}

// Before gives the time before which things are too old at now; false when nothing is.
func (k Keep) Before(now time.Time) (time.Time, bool) {
	if k <= KeepForever {
		return time.Time{}, false
	}
	return now.Add(-time.Duration(k) * 24 * time.Hour), true
}

// String gives the form that ParseKeep reads.
func (k Keep) String() string {
	switch k {
	case KeepDefault:
		return "default"
	case KeepForever:
		return "forever"
	}
	return strconv.Itoa(int(k)) + "d"
}

// ParseKeep reads "365d", "365", "forever" or "default". Errors: validation_error.
func ParseKeep(text string) (Keep, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	switch text {
	case "default":
		return KeepDefault, nil
	case "forever", "0", "0d":
		return KeepForever, nil
	}
	k, err := ParseDays(text)
	if err != nil {
		return 0, Errorf(CodeValidation, "%q is not a time for which things are kept: use days such as 365d, forever, or default", text)
	}
	return k, k.Check()
}

// ParseDays reads a number of days, such as 10d or 10. Errors: validation_error.
func ParseDays(text string) (Keep, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), "d"))
	if err != nil || n < 1 || n > int(MaxKeep) {
		return 0, Errorf(CodeValidation, "%q is not a number of days such as 10d", text)
	}
	return Keep(n), nil
}

// Check reports whether k is a time that can be set.
func (k Keep) Check() error {
	if k != KeepDefault && k != KeepForever && (k < MinKeep || k > MaxKeep) {
		return Errorf(CodeValidation, "things are kept for %d to %d days, or forever", int(MinKeep), int(MaxKeep))
	}
	return nil
}

// ParseArchiving reads "none", "messages", "files" or "default". Errors: validation_error.
func ParseArchiving(text string) (Archiving, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "default" {
		return ArchiveDefault, nil
	}
	a := Archiving(text)
	if text == "" || a.Check() != nil {
		return a, Errorf(CodeValidation, "%q is no way to archive: use none, messages, files (messages with their files), or default", text)
	}
	return a, nil
}

// Check reports whether a is one of the kinds.
func (a Archiving) Check() error {
	switch a {
	case ArchiveDefault, ArchiveNone, ArchiveMessages, ArchiveFiles:
		return nil
	}
	return Errorf(CodeValidation, "%q is no way to archive: use none, messages or files", string(a))
}

// String gives the form that ParseArchiving reads.
func (a Archiving) String() string {
	if a == ArchiveDefault {
		return "default"
	}
	return string(a)
}

// Check reports what of r can't be set.
func (r Retention) Check() error {
	if err := r.Messages.Check(); err != nil {
		return err
	}
	if err := r.Files.Check(); err != nil {
		return err
	}
	return r.Archive.Check()
}
