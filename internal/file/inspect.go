package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// recordPage is how many records are looked at together.
	recordPage = 500
	// named is how many of a kind are named in a report; all are counted.
	named = 20
	// orphanAge is how old bytes without a record must be to count as forgotten: a
	// record is stored after its bytes.
	orphanAge = 24 * time.Hour
	// blobFolder begins the keys of files' bytes; others in the same place, whoever
	// keeps them there, have no record.
	blobFolder = "files/"
)

// Inspection is what Inspect found.
type Inspection struct {
	Files        int64 // records
	Missing      int64 // of them, those without bytes
	WrongSize    int64 // of them, those with more or fewer bytes than recorded
	Bad          []tideline.File
	Blobs, Bytes int64 // all that is kept
	Orphans      int64 // bytes of files that no record names, older than a day
	OrphanBytes  int64
	OrphanKeys   []string
	Removed      int64 // of the orphans
}

// Inspect holds the records of all files against the bytes in a place. It may run
// while files come and go. With remove it deletes the bytes of files that no
// record has named for a day.
func Inspect(ctx context.Context, records store.FileRecords, blobs blob.Store, now time.Time, remove bool) (Inspection, error) {
	in := &inspector{records: records, blobs: blobs, sizes: map[[16]byte]int64{}, now: now, remove: remove}
	if err := in.look(ctx); err != nil {
		return Inspection{}, err
	}
	if err := in.match(ctx); err != nil {
		return Inspection{}, err
	}
	return in.found, nil
}

type inspector struct {
	records store.FileRecords
	blobs   blob.Store
	now     time.Time
	remove  bool
	sizes   map[[16]byte]int64 // by the hash of a key, which takes less than the key
	suspect []blob.Entry
	found   Inspection
}

func short(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}

// look lists what is there, and finds what no record names.
func (in *inspector) look(ctx context.Context) error {
	err := in.blobs.List(ctx, "", "", func(e blob.Entry) error {
		in.found.Blobs++
		in.found.Bytes += e.Size
		in.sizes[short(e.Key)] = e.Size
		if !strings.HasPrefix(e.Key, blobFolder) || in.now.Sub(e.ModifiedAt) < orphanAge {
			return nil
		}
		if in.suspect = append(in.suspect, e); len(in.suspect) == recordPage {
			return in.judge(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return in.judge(ctx)
}

// judge finds those among suspect that no record names.
func (in *inspector) judge(ctx context.Context) error {
	uids := make([]string, len(in.suspect))
	for i, e := range in.suspect {
		uids[i] = path.Base(e.Key)
	}
	known, err := in.records.RecordedFiles(ctx, uids)
	if err != nil {
		return err
	}
	recorded := make(map[string]bool, len(known))
	for _, uid := range known {
		recorded[uid] = true
	}
	for i, e := range in.suspect {
		if recorded[uids[i]] {
			continue
		}
		in.found.Orphans++
		in.found.OrphanBytes += e.Size
		if len(in.found.OrphanKeys) < named {
			in.found.OrphanKeys = append(in.found.OrphanKeys, e.Key)
		}
		if in.remove {
			if err := in.blobs.Delete(ctx, e.Key); err != nil {
				return err
			}
			in.found.Removed++
		}
	}
	in.suspect = in.suspect[:0]
	return nil
}

// match finds the records whose bytes are not there.
func (in *inspector) match(ctx context.Context) error {
	for after := int64(0); ; {
		page, err := in.records.AllFiles(ctx, after, recordPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, f := range page {
			after = f.ID
			in.found.Files++
			size, listed := in.sizes[short(f.Blob)]
			if listed && size == f.Size {
				continue
			}
			// It may be newer than the list, or be gone since the record was read.
			state, err := Compare(ctx, in.records, in.blobs, f)
			if err != nil {
				return err
			}
			in.note(f, state)
		}
	}
}

func (in *inspector) note(f tideline.File, s State) {
	switch s {
	case StateFine:
		return
	case StateMissing:
		in.found.Missing++
	case StateWrongSize:
		in.found.WrongSize++
	}
	if len(in.found.Bad) < named {
		in.found.Bad = append(in.found.Bad, f)
	}
}

// State is how the bytes of a file are kept.
type State int

// The states.
const (
	StateFine State = iota
	StateMissing
	StateWrongSize
)

// Compare looks for the bytes of one file. A file that was deleted meanwhile is
// fine.
func Compare(ctx context.Context, records store.FileRecords, blobs blob.Store, f tideline.File) (State, error) {
	info, err := blobs.Stat(ctx, f.Blob)
	switch {
	case err == nil && info.Size == f.Size:
		return StateFine, nil
	case err != nil && !errors.Is(err, blob.ErrNotFound):
		return StateFine, fmt.Errorf("look for the bytes of %s: %w", f.UID, err)
	}
	known, recordErr := records.RecordedFiles(ctx, []string{f.UID})
	if recordErr != nil || len(known) == 0 {
		return StateFine, recordErr
	}
	if err != nil {
		return StateMissing, nil
	}
	return StateWrongSize, nil
}
