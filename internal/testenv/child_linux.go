package testenv

import (
	"os/exec"
	"syscall"
)

// bindChild makes the kernel send death to the child when the test binary ends
// in whatever way, keeps a Ctrl-C in the terminal away from it (the test binary
// decides how its children end) and, if owner is set, starts it as that user.
//
// The kernel watches the thread that started the child rather than the process.
// The Go runtime keeps its threads until the process ends; only a goroutine
// that exits while locked to its thread takes the thread with it, and such a
// goroutine must not start processes with this package.
//
// A change of user clears the death signal, so it cannot be combined with a
// wrapper such as setpriv or su: Go sets the user first and the signal after
// (syscall/exec_linux.go), which is why the user is changed here.
func bindChild(cmd *exec.Cmd, death syscall.Signal, owner *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: death, Setpgid: true}
	if owner != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.uid, Gid: owner.gid}
	}
}
