//go:build !linux

package testenv

import (
	"os/exec"
	"syscall"
)

// bindChild does nothing: there is no portable way to tie a child's life to its
// parent's. Children are ended by [Main] and by the tests' clean-up, which is
// enough unless the test binary itself is killed. An owner is never asked for,
// see [serverAccount].
func bindChild(*exec.Cmd, syscall.Signal, *account) {}
