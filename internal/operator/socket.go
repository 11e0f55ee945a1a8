package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const (
	socketFile = "operator.sock"
	tempPrefix = "tideline-operator-"
	// maxSocketPath is what every system allows: 104 bytes with the closing zero
	// on macOS and the BSDs, 108 on Linux.
	maxSocketPath = 103
)

// Socket is a listening socket that only this user can connect to.
type Socket struct {
	net.Listener
	path string
	own  string // a temporary folder around the socket; "" when it is in the data folder
}

// Listen opens the socket in the data folder dir, or, when its path would be
// longer than systems allow, in a new temporary folder; Path says where. The
// caller owns the data folder (see datadir.Folder.Lock): a socket that is there
// already was left by a process that died.
func Listen(dir string) (s *Socket, err error) {
	path, err := filepath.Abs(filepath.Join(dir, socketFile))
	if err != nil {
		return nil, fmt.Errorf("operator socket: %w", err)
	}
	s = &Socket{path: path}
	if len(path) > maxSocketPath {
		if s.own, err = os.MkdirTemp("", tempPrefix); err != nil {
			return nil, fmt.Errorf("operator socket: %w", err)
		}
		s.path = filepath.Join(s.own, socketFile)
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("operator socket: remove the one of a server that died: %w", err)
	}
	if s.Listener, err = net.Listen("unix", s.path); err != nil {
		return nil, errors.Join(fmt.Errorf("operator socket: %w", err), s.removeFolder())
	}
	// Between Listen and Chmod the folder, which is its owner's alone, guards it.
	if err := os.Chmod(s.path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("operator socket: %w", err), s.Close())
	}
	return s, nil
}

// RemoveStale removes the socket at path and the temporary folder around it, if
// there is one: both were left by a server that died.
func RemoveStale(path string) {
	if filepath.Base(path) != socketFile {
		return
	}
	_ = os.Remove(path) // it may be gone
	if dir := filepath.Dir(path); strings.HasPrefix(filepath.Base(dir), tempPrefix) {
		_ = os.Remove(dir) // only when it is empty
	}
}

// Path is where the socket is.
func (s *Socket) Path() string { return s.path }

// Close stops listening and removes the socket.
func (s *Socket) Close() error {
	err := s.Listener.Close() // removes the socket's file too
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, s.removeFolder())
}

func (s *Socket) removeFolder() error {
	if s.own == "" {
		return nil
	}
	return os.RemoveAll(s.own)
}
