package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
)

// Format is the version of the archive's form.
const Format = 1

// ErrDamaged says that a file is no backup, or not a whole one.
var ErrDamaged = errors.New("the backup is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Header says what a backup is of.
type Header struct {
	Format   int           `json:"format"`
	Program  string        `json:"program"`            // the version that made it
	Kind     string        `json:"kind"`               // production or sandbox
	Database string        `json:"database"`           // sqlite or postgres
	Schema   int64         `json:"schema"`             // version of our tables
	Sessions int64         `json:"sessions"`           // version of the protocol library's tables
	MadeAt   time.Time     `json:"made_at"`            // the instant whose state it holds
	NoFiles  bool          `json:"no_files,omitempty"` // the bytes of files were left out on purpose
	Tables   []store.Table `json:"tables"`             // in the order in which they can be written
}

// table finds a table and its place.
func (h *Header) table(name string) (int, bool) {
	for i := range h.Tables {
		if h.Tables[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// Part is one entry of the archive.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes in the archive
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows,omitempty"`
}

// list is the last entry.
type list struct {
	Parts []Part `json:"parts"`
	// Missing are blob keys that rows name and whose bytes were not there.
	Missing []string `json:"missing,omitempty"`
	Sum     string   `json:"sum"` // see seal
}

// seal gives the SHA-256 of the list without its sum, by which a change of the list
// itself is noticed.
func (l list) seal() (string, error) {
	l.Sum = ""
	data, err := json.Marshal(l)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// The entries, by name or by beginning.
const (
	headerName   = "backup.json"
	listName     = "parts.json"
	rowsPrefix   = "rows/"
	filesPrefix  = "files/"
	folderPrefix = "folder/"
)

// Bounds of what is read into memory.
const (
	maxHeader = 4 << 20
	maxList   = 512 << 20
	maxChunk  = 256 << 20 // bytes of rows in a part, unpacked
	chunkSize = 4 << 20   // a part of rows ends with the row that reaches it
)

var (
	rowsName   = regexp.MustCompile(`^rows/([a-z][a-z0-9_]{0,62})/([0-9]{6,9})\.jsonl\.gz$`)
	folderName = regexp.MustCompile(`^folder/[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9]*)?(?:/[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9]*)?)?$`)
)

// checkName refuses what is none of the entries. What it lets pass stays in the
// folder that it is written to.
func checkName(name string) error {
	switch {
	case name == headerName || name == listName:
		return nil
	case strings.HasPrefix(name, rowsPrefix) && rowsName.MatchString(name):
		return nil
	case strings.HasPrefix(name, filesPrefix) && blob.CheckKey(strings.TrimPrefix(name, filesPrefix)) == nil:
		return nil
	case strings.HasPrefix(name, folderPrefix) && folderName.MatchString(name):
		return nil
	}
	return damaged("it has an entry %.100q, which no backup has", name)
}

// Summary says what a backup holds.
type Summary struct {
	Header  Header
	Parts   int
	Rows    int64
	Tables  map[string]int64 // rows by table
	Files   int64            // blobs
	Bytes   int64            // of blobs
	Missing []string         // blob keys that rows name and whose bytes were not there
}

func newSummary(h Header) Summary { return Summary{Header: h, Tables: make(map[string]int64)} }

// count adds a part.
func (s *Summary) count(p Part) {
	s.Parts++
	if m := rowsName.FindStringSubmatch(p.Name); m != nil {
		s.Rows += p.Rows
		s.Tables[m[1]] += p.Rows
	}
	if strings.HasPrefix(p.Name, filesPrefix) {
		s.Files++
		s.Bytes += p.Size
	}
}
