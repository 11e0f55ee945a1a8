package datadir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockFile   = "tideline.lock"
	serverFile = "server.json"
	lockRetry  = 50 * time.Millisecond
)

// Server says how to reach the process that owns a folder. It may be out of
// date: a process that was killed leaves it behind.
type Server struct {
	PID       int       `json:"pid"`
	Host      string    `json:"host"`       // name of the machine
	URL       string    `json:"url"`        // where it listens, without a path
	PublicURL string    `json:"public_url"` // how clients reach it, without a slash at the end
	Operator  string    `json:"operator"`   // path of the operator's socket
	Started   time.Time `json:"started"`
}

// Lock makes this process the folder's owner until release is called or the
// process ends, however it ends. It waits at most for the given time for a
// predecessor that is about to stop.
func (f Folder) Lock(ctx context.Context, wait time.Duration) (release func() error, err error) {
	lock := flock.New(f.In(lockFile))
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	locked, err := lock.TryLockContext(ctx, lockRetry)
	if locked {
		return lock.Close, nil
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("lock data folder %s: %w", f.Path, err)
	}
	who := "another process"
	if s, err := f.Server(); err == nil {
		who = fmt.Sprintf("process %d on %s, at %s since %s", s.PID, s.Host, s.URL, s.Started.Local().Format(time.DateTime))
	}
	return nil, fmt.Errorf("the data folder %s is in use by %s: stop that server first, or name another folder with --data", f.Path, who)
}

// Locked reports whether a process owns the folder now.
func (f Folder) Locked() (bool, error) {
	lock := flock.New(f.In(lockFile))
	free, err := lock.TryLock()
	if err != nil {
		return false, fmt.Errorf("look at the lock of %s: %w", f.Path, err)
	}
	return !free, lock.Close()
}

// SetServer notes how to reach the owner.
func (f Folder) SetServer(s Server) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := WriteFile(f.In(serverFile), append(data, '\n')); err != nil {
		return fmt.Errorf("note how to reach the server: %w", err)
	}
	return nil
}

// ClearServer forgets how to reach the owner, which is about to stop.
func (f Folder) ClearServer() error {
	if err := os.Remove(f.In(serverFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Server gives what the owner noted. The error is fs.ErrNotExist when there is
// no owner.
func (f Folder) Server() (Server, error) {
	var s Server
	data, err := os.ReadFile(f.In(serverFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", f.In(serverFile), err)
	}
	return s, nil
}
